// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr has room for an address of either family.
type sockaddr struct{ unix.RawSockaddrInet6 }

// set gives the length of the address in the form that a socket of the family takes: an IPv6 socket reaches
// IPv4 by mapped addresses. It is 0 if the socket cannot send there.
func (s *sockaddr) set(to netip.AddrPort, is6 bool) uint32 {
	addr := to.Addr()
	if is6 {
		if !addr.IsValid() {
			return 0
		}
		s.RawSockaddrInet6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: addr.As16()}
		setPort(&s.Port, to.Port())
		return unix.SizeofSockaddrInet6
	}
	addr = addr.Unmap()
	if !addr.Is4() {
		return 0
	}
	s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
	*s4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: addr.As4()}
	setPort(&s4.Port, to.Port())
	return unix.SizeofSockaddrInet4
}

// addrPort is the address that the kernel wrote; the zero one if it wrote none.
func (s *sockaddr) addrPort(length uint32, zones *zoneNames) netip.AddrPort {
	switch {
	case s.Family == unix.AF_INET && length >= unix.SizeofSockaddrInet4:
		s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
		return netip.AddrPortFrom(netip.AddrFrom4(s4.Addr), port(&s4.Port))
	case s.Family == unix.AF_INET6 && length >= unix.SizeofSockaddrInet6:
		addr := netip.AddrFrom16(s.Addr).Unmap()
		if s.Scope_id != 0 && addr.Is6() {
			addr = addr.WithZone(zones.name(s.Scope_id))
		}
		return netip.AddrPortFrom(addr, port(&s.Port))
	}
	return netip.AddrPort{}
}

// The port is in network byte order, whatever that of the processor.
func setPort(p *uint16, port uint16) {
	b := (*[2]byte)(unsafe.Pointer(p))
	b[0], b[1] = byte(port>>8), byte(port)
}

func port(p *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(p))
	return uint16(b[0])<<8 | uint16(b[1])
}

// zoneNames remembers the names of interfaces, for a look-up costs system calls. A renamed interface keeps
// its old name here, which still stands for it in the addresses given out before.
type zoneNames map[uint32]string

func (z *zoneNames) name(index uint32) string {
	if name, ok := (*z)[index]; ok {
		return name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	if *z == nil || len(*z) >= maxZones {
		*z = make(zoneNames)
	}
	(*z)[index] = name
	return name
}
