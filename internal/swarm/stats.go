// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"time"

	"p2plive/internal/wire"
)

// Stats counts what the machine has seen and done since it was made.
type Stats struct {
	Viewers int // neighbours that are viewers
	Edges   int // neighbours that are edges
	Sources int // neighbours that are sources

	Trees     int // trees of the stream
	Attached  int // trees with a parent and a path to the source
	Temporary int // trees in which the place is a temporary one
	AtServers int // trees in which an edge or the source is the parent
	Children  int // children in all trees
	Depth     int // longest path to the source, in hops

	// Gives is what the peer can give to children, in bits a second: whole
	// substreams. While nobody knows what its line carries, that is one copy at most.
	Gives int64

	Pushed, Repaired, Rescued uint64 // pieces that came, by reason
	Duplicates                uint64 // pieces that came although they were there
	PiecesSent                uint64 // pieces handed out, for any reason
	Delivered, Missed         uint64 // fragments
	Requests                  uint64 // pieces asked for
	Timeouts                  uint64 // requests without an answer in time
	Lacks                     uint64 // pieces that were asked of the peer in vain
	Moves                     Moves
	Loops                     uint64 // parents left because the path led back
	Nonsense                  uint64 // messages or parts of them that were ignored

	// Lag is how far the newest complete fragment's arrival is behind the
	// quickest one: the swarm's share of the latency.
	Lag time.Duration
}

// MoveReason is why a peer has asked another one to become its parent.
type MoveReason uint8

const (
	MoveFirst     MoveReason = iota // it had none
	MoveSilent                      // the parent has fallen silent
	MoveLate                        // the parent has fallen behind
	MoveLost                        // the parent has no path to the source
	MoveTemporary                   // the place was a temporary one
	MoveOffered                     // an edge or source has offered a place
	MoveNear                        // the new parent is in the same LAN
	MoveCloser                      // the new place is closer to the source
	moveReasons
)

// Moves counts parents taken, by reason.
type Moves [moveReasons]uint64

// Total is the number of changes of a parent: the first one is none.
func (m Moves) Total() uint64 {
	var n uint64
	for _, c := range m[MoveFirst+1:] {
		n += c
	}
	return n
}

// Stats returns the machine's counters and its place in the trees.
func (m *Machine) Stats() Stats {
	s := m.stats
	s.Viewers, s.Edges, s.Sources = m.count(wire.RoleViewer), m.count(wire.RoleEdge), m.count(wire.RoleSource)
	s.Trees, s.Gives = len(m.trees), m.gives()
	for _, tr := range m.trees {
		if m.rooted(tr) {
			s.Attached++
		}
		if tr.temporary {
			s.Temporary++
		}
		if tr.parent != nil && tr.parent.serves() {
			s.AtServers++
		}
		s.Children += tr.staying()
		s.Depth = max(s.Depth, len(tr.path))
	}
	s.Lag = m.lag()
	return s
}
