// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
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
	conn     net.PacketConn
	fast     addrPortConn // conn, where it has these methods
	counters *counters
	buf      [MaxDatagram]byte
}

func newSingle(conn net.PacketConn, c *counters) *single {
	s := &single{conn: conn, counters: c}
	s.fast, _ = conn.(addrPortConn)
	return s
}

func (*single) offload() (gso, gro bool) { return false, false }

func (s *single) readBatch(ms []Message, wait bool) (int, error) {
	if !wait {
		return 0, nil
	}
	n, from, err := s.readFrom()
	if err != nil {
		return 0, err
	}
	ms[0] = Message{Buf: s.buf[:n], Addr: unmap(from)}
	return 1, nil
}

func (s *single) readFrom() (int, netip.AddrPort, error) {
	if s.fast != nil {
		return s.fast.ReadFromUDPAddrPort(s.buf[:])
	}
	n, from, err := s.conn.ReadFrom(s.buf[:])
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	addr, err := addrPort(from)
	return n, addr, err
}

func (s *single) writeBatch(ms []Message) (int, error) {
	var first error
	sent := 0
	for i := range ms {
		s.counters.writes.Add(1)
		err := s.writeTo(ms[i].Buf, ms[i].Addr)
		if err == nil {
			sent++
			continue
		}
		if first == nil {
			first = err
		}
		if errors.Is(err, net.ErrClosed) {
			break
		}
	}
	return sent, first
}

func (s *single) writesWhole() bool {
	_, kernel := s.conn.(*net.UDPConn)
	return !kernel
}

func (s *single) writeWhole(m Message) error {
	if !s.writesWhole() {
		return errNoWhole
	}
	s.counters.writes.Add(1)
	return s.writeTo(m.Buf, m.Addr)
}

func (s *single) writeTo(b []byte, to netip.AddrPort) error {
	var err error
	if s.fast != nil {
		_, err = s.fast.WriteToUDPAddrPort(b, to)
	} else {
		_, err = s.conn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	}
	return err
}
