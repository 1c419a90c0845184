// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"net"
	"net/netip"
)

// addrPortConn is what *net.UDPConn has beside net.PacketConn: no allocation for the address.
type addrPortConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
}

// single moves one datagram per call.
type single struct {
	conn net.PacketConn
	fast addrPortConn // conn, where it has these methods
	buf  [MaxDatagram]byte
}

func newSingle(conn net.PacketConn) *single {
	s := &single{conn: conn}
	s.fast, _ = conn.(addrPortConn)
	return s
}

func (s *single) readBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	if s.fast != nil {
		n, from, err := s.fast.ReadFromUDPAddrPort(s.buf[:])
		if err != nil {
			return 0, err
		}
		ms[0] = Message{Buf: s.buf[:n], Addr: unmap(from)}
		return 1, nil
	}
	n, from, err := s.conn.ReadFrom(s.buf[:])
	if err != nil {
		return 0, err
	}
	addr, err := addrPort(from)
	if err != nil {
		return 0, err
	}
	ms[0] = Message{Buf: s.buf[:n], Addr: addr}
	return 1, nil
}

func (s *single) writeBatch(ms []Message) (int, error) {
	var err error
	if s.fast != nil {
		_, err = s.fast.WriteToUDPAddrPort(ms[0].Buf, ms[0].Addr)
	} else {
		_, err = s.conn.WriteTo(ms[0].Buf, net.UDPAddrFromAddrPort(ms[0].Addr))
	}
	if err != nil {
		return 0, err
	}
	return 1, nil
}
