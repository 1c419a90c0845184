// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"net"
	"net/netip"
)

// port is a socket of a server. One that is bound to all interfaces asks the system to which
// address each datagram came, answers from there, and so can name that address.
type port struct {
	pc    net.PacketConn
	local netip.AddrPort // unspecified address: all interfaces
	udp   *net.UDPConn   // nil unless the system tells destinations
	oob   []byte         // of the one reader
}

func newPort(pc net.PacketConn) *port {
	p := &port{pc: pc}
	addr, ok := pc.LocalAddr().(*net.UDPAddr)
	if !ok {
		return p
	}
	v4 := len(addr.IP) == net.IPv4len
	p.local = plain(addr.AddrPort())
	udp, ok := pc.(*net.UDPConn)
	if ok && p.local.Addr().IsUnspecified() && wantDestination(udp, v4) {
		p.udp, p.oob = udp, make([]byte, 128)
	}
	return p
}

// v4 is whether the socket is one for IPv4 alone.
func (p *port) v4() bool { return p.local.Addr().Is4() }

// read returns a datagram, where it came from, and to which of the host's addresses: unspecified
// or zero where that is not known.
func (p *port) read(b []byte) (n int, from netip.AddrPort, to netip.Addr, err error) {
	if p.udp != nil {
		n, oobn, _, from, err := p.udp.ReadMsgUDPAddrPort(b, p.oob)
		if err != nil {
			return 0, from, to, err
		}
		return n, from, destination(p.oob[:oobn]), nil
	}
	n, addr, err := p.pc.ReadFrom(b)
	if err != nil {
		return 0, from, to, err
	}
	if udp, ok := addr.(*net.UDPAddr); ok {
		from = udp.AddrPort()
	}
	return n, from, p.local.Addr(), nil
}

// write sends b from one of the host's addresses, or from any where source is not known.
func (p *port) write(b []byte, to netip.AddrPort, source netip.Addr) error {
	// The address of a link needs its interface: the system knows better.
	if p.udp != nil && source.IsValid() && !source.IsUnspecified() && !source.IsLinkLocalUnicast() {
		_, _, err := p.udp.WriteMsgUDPAddrPort(b, sourceControl(source, p.v4()), to)
		return err
	}
	_, err := p.pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}
