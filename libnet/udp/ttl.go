// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
	"net"
	"net/netip"
)

// ErrNoTTL says that the time to live of single datagrams cannot be set on this system or socket.
var ErrNoTTL = errors.New("udp: the time to live cannot be set")

// ttlWriter is what a simulated socket has.
type ttlWriter interface {
	WriteToTTL(b []byte, to netip.AddrPort, ttl int) (int, error)
}

// SetsTTL tells whether WriteTTL works on a socket.
func SetsTTL(conn net.PacketConn) bool {
	switch conn.(type) {
	case ttlWriter:
		return true
	case *net.UDPConn:
		return kernelTTL
	}
	return false
}

// WriteTTL sends one datagram that at most ttl-1 routers pass on (1 to 255). Where that cannot be told to the
// system nothing is sent, and the error is ErrNoTTL.
func WriteTTL(conn net.PacketConn, b []byte, to netip.AddrPort, ttl int) error {
	switch c := conn.(type) {
	case ttlWriter:
		_, err := c.WriteToTTL(b, to, ttl)
		return err
	case *net.UDPConn:
		return writeTTL(c, b, to, ttl)
	}
	return ErrNoTTL
}

// SetsTTL tells whether WriteTTL works.
func (s *Socket) SetsTTL() bool { return SetsTTL(s.conn) }

// WriteTTL is the function WriteTTL on this socket.
func (s *Socket) WriteTTL(b []byte, to netip.AddrPort, ttl int) error {
	err := WriteTTL(s.conn, b, to, ttl)
	if err != nil {
		s.counters.writeErrors.Add(1)
		return err
	}
	s.counters.datagramsOut.Add(1)
	return nil
}
