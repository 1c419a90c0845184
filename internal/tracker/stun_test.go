// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"p2plive/libnet/nat"
)

func boundPort(pc net.PacketConn) uint16 { return pc.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// freePair returns a UDP port of the loopback address whose successor is free too.
func freePair(t *testing.T) uint16 {
	t.Helper()
	for range 100 {
		sockets, err := listenSTUN("127.0.0.1:0", "", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		port := boundPort(sockets[0][0])
		closeSTUN(sockets)
		if next, err := net.ListenPacket("udp", netip.AddrPortFrom(loopback, port+1).String()); err == nil {
			next.Close()
			return port
		}
	}
	t.Fatal("no two UDP ports in a row are free")
	return 0
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func TestListenSTUN(t *testing.T) {
	port := freePair(t)
	udp := netip.AddrPortFrom(loopback, port).String()
	log := slog.New(slog.DiscardHandler)
	listen := func(alt string) nat.Sockets {
		t.Helper()
		sockets, err := listenSTUN(udp, alt, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSTUN(sockets) })
		return sockets
	}

	sockets := listen("")
	if boundPort(sockets[0][0]) != port || boundPort(sockets[0][1]) != port+1 || sockets[1][0] != nil {
		t.Errorf("bound %v", sockets)
	}
	closeSTUN(sockets)

	sockets = listen("127.0.0.2")
	for a, want := range []string{"127.0.0.1", "127.0.0.2"} {
		for p, pc := range sockets[a] {
			if got, want := pc.LocalAddr().String(), netip.AddrPortFrom(netip.MustParseAddr(want), port+uint16(p)).String(); got != want {
				t.Errorf("bound %s, want %s", got, want)
			}
		}
	}
	closeSTUN(sockets)

	// The second port is of use, not needed; unless a second address says that all is wanted.
	taken, err := net.ListenPacket("udp", netip.AddrPortFrom(loopback, port+1).String())
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if sockets := listen(""); sockets[0][0] == nil || sockets[0][1] != nil {
		t.Errorf("bound %v", sockets)
	} else {
		closeSTUN(sockets)
	}
	if _, err := listenSTUN(udp, "127.0.0.2", log); err == nil {
		t.Error("three sockets of four were enough")
	}
}

func TestListenSTUNRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ udp, alt string }{
		"no address":        {"127.0.0.1:0", "here"},
		"all interfaces":    {":0", "127.0.0.2"},
		"named so":          {"0.0.0.0:0", "127.0.0.2"},
		"unspecified alt":   {"127.0.0.1:0", "0.0.0.0"},
		"no first":          {NoUDP, "127.0.0.2"},
		"the same":          {"127.0.0.1:0", "127.0.0.1"},
		"other family":      {"127.0.0.1:0", "::1"},
		"not of this host":  {"127.0.0.1:0", "192.0.2.1"},
		"malformed address": {"127.0.0.1", ""},
	} {
		sockets, err := listenSTUN(tt.udp, tt.alt, slog.New(slog.DiscardHandler))
		if err == nil {
			closeSTUN(sockets)
			t.Errorf("%s: accepted", name)
		}
		if sockets != (nat.Sockets{}) {
			t.Errorf("%s: sockets left", name)
		}
	}
}
