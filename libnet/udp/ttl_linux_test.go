// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWriteTTL: one datagram has the time to live that was asked for, the next one the system's again.
func TestWriteTTL(t *testing.T) {
	for _, tt := range []struct{ name, from, to string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0"},
		{"IPv4 from a socket for both", "[::]:0", "127.0.0.1:0"},
		{"IPv6", "[::]:0", "[::1]:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			receiver, err := net.ListenPacket("udp", tt.to)
			if err != nil {
				t.Fatal(err)
			}
			defer receiver.Close()
			to := receiver.LocalAddr().(*net.UDPAddr).AddrPort()
			level, option := unix.IPPROTO_IP, unix.IP_RECVTTL
			if to.Addr().Is6() {
				level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT
			}
			raw, err := receiver.(*net.UDPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); err != nil {
				t.Fatal(err)
			}
			s, err := Listen(tt.from)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !s.SetsTTL() {
				t.Error("it says that it cannot")
			}
			if err := s.WriteTTL([]byte("low"), to, 3); err != nil {
				t.Fatal(err)
			}
			if _, err := s.WriteBatch([]Message{{Buf: []byte("usual"), Addr: to}}); err != nil {
				t.Fatal(err)
			}
			for _, want := range []uint32{3, 64} {
				var b, oob [64]byte
				_, n, _, _, err := receiver.(*net.UDPConn).ReadMsgUDPAddrPort(b[:], oob[:])
				if err != nil {
					t.Fatal(err)
				}
				if n < unix.CmsgLen(4) {
					t.Fatalf("%d bytes of control", n)
				}
				if got := binary.NativeEndian.Uint32(oob[unix.CmsgLen(0):]); got != want {
					t.Errorf("time to live %d, not %d", got, want)
				}
			}
		})
	}
}

// packetConn hides what a socket is.
type packetConn struct{ net.PacketConn }

func TestWriteTTLRefused(t *testing.T) {
	if SetsTTL(packetConn{}) {
		t.Error("it says that it can")
	}
	if err := WriteTTL(packetConn{}, nil, netip.AddrPort{}, 3); !errors.Is(err, ErrNoTTL) {
		t.Errorf("error %v", err)
	}
}
