// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"errors"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/wire"
)

// ErrWrongTicket says that a ticket is for another stream than the Hello.
var ErrWrongTicket = errors.New("ticket: for another stream")

// AdmitTickets admits peers that show a ticket of the tracker for the stream
// that they want to join. Their role is the ticket's.
func AdmitTickets(keys *signal.Keyring) func(wire.PeerID, *wire.Hello) (wire.Role, error) {
	return func(peer wire.PeerID, hello *wire.Hello) (wire.Role, error) {
		t, err := keys.Verify(hello.Ticket, peer, time.Now())
		if err != nil {
			return 0, err
		}
		// An edge's ticket names no stream: it carries whatever it is asked to.
		if t.Stream != hello.Stream && t.Stream != (wire.StreamID{}) {
			return 0, ErrWrongTicket
		}
		return t.Role, nil
	}
}
