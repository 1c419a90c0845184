// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"time"

	"p2plive/internal/wire"
)

// kind says what an event is.
type kind uint8

const (
	evEnter   kind = iota // the tracker lets a peer in
	evLeave               // a peer goes
	evCut                 // the source cuts fragment arg
	evTick                // a machine's wake-up
	evMessage             // a swarm message arrives
	evHave                // one of those have-maps that fit in here
	evBeat                // a heartbeat that only tells of arg slots
	evPiece               // piece arg arrives
	evDial                // a handshake arrives
	evOpen                // a handshake is over
	evClosed              // a session's other end is known to be gone
	evFailed              // the time for the dial to peer arg is over
	evNames               // the tracker's answer arrives
)

// event is something that happens to peer to. Which other fields mean
// something depends on its kind. Millions are on their way at a time, so each
// takes one cache line.
type event struct {
	at      time.Duration
	next    *event // in the list of its peer's events in a window
	msg     *wire.Message
	have    uint64 // bit i: a have-map shows fragment newest-base+i
	from    uint32 // who has caused it; to, if the world has
	to      uint32
	seq     uint32 // of those that from has caused
	session uint32
	arg     uint32 // or a have-map's newest fragment
	start   uint16 // of a have-map, below newest
	base    uint16
	told    uint8 // one more than the fragments that a have-map tells of, 0 if it tells nothing
	kind    kind
	via     wire.Via
	bad     bool // the piece's signature does not hold
}

// before orders the events of one peer. It depends on nothing but what peers
// have done: not on who has run them, and when.
func (e *event) before(o *event) bool {
	switch {
	case e.at != o.at:
		return e.at < o.at
	case e.from != o.from:
		return e.from < o.from
	}
	return int32(e.seq-o.seq) < 0
}
