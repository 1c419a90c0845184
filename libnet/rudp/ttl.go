// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"errors"
	"net/netip"
)

// SetsTTL tells whether WriteTTL works on this system and socket.
func (s *Socket) SetsTTL() bool { return s.sock.SetsTTL() }

// WriteTTL is WriteTo for a datagram that at most ttl-1 routers pass on. Where that cannot be told to the system
// nothing is sent.
func (s *Socket) WriteTTL(b []byte, addr netip.AddrPort, ttl int) error {
	if !foreign(b) {
		return errors.New("rudp: the first byte of the datagram belongs to this protocol")
	}
	counters := &s.ep.counters
	if err := s.sock.WriteTTL(b, addr, ttl); err != nil {
		counters.writeErrors.Add(1)
		return err
	}
	counters.datagramsOut.Add(1)
	counters.bytesOut.Add(uint64(len(b)))
	return nil
}
