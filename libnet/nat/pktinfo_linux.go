// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// wantDestination makes the kernel tell to which of the host's addresses each datagram came
// (ip(7), ipv6(7)); false: it does not.
func wantDestination(c *net.UDPConn, v4 bool) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	level, option := unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	if v4 {
		level, option = unix.IPPROTO_IP, unix.IP_PKTINFO
	}
	var setErr error
	err = raw.Control(func(fd uintptr) { setErr = unix.SetsockoptInt(int(fd), level, option, 1) })
	return err == nil && setErr == nil
}

// destination reads the address that wantDestination asked for; zero: it is not there.
func destination(oob []byte) netip.Addr {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(m.Data[8:12])) // behind the interface and the local address
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(m.Data[:16])).Unmap()
		}
	}
	return netip.Addr{}
}

// sourceControl is the control message that sends a datagram from one of the host's addresses.
// A socket for IPv6 that carries IPv4 too takes IPv4 addresses in their IPv6 form.
func sourceControl(source netip.Addr, v4 bool) []byte {
	if v4 {
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: source.As4()})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: source.As16()})
}
