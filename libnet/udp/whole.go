// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
	"net/netip"
)

// ErrTooLong says that the system knows a path that does not carry merged datagrams of their length: they have left one
// by one, which may have fragmented them.
var ErrTooLong = errors.New("udp: datagrams are too long for the path")

// errNoWhole: the system would fragment datagrams without a word.
var errNoWhole = errors.New("udp: fragmentation cannot be forbidden")

// WritesWhole tells whether WriteWhole works. Of UDP sockets only Linux's do; what is no UDP socket, such as a tunnel or
// a simulated one, fragments nothing.
func (s *Socket) WritesWhole() bool { return s.batch.writesWhole() }

// WriteWhole sends one datagram that neither this host nor a router may fragment, to find out whether the path carries
// it whole. The error is the system's where it is too long for the first link already.
func (s *Socket) WriteWhole(b []byte, to netip.AddrPort) error {
	if err := s.batch.writeWhole(Message{Buf: b, Addr: to}); err != nil {
		s.counters.writeErrors.Add(1)
		return err
	}
	s.counters.datagramsOut.Add(1)
	return nil
}
