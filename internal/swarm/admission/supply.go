// SPDX-License-Identifier: GPL-3.0-or-later

package admission

import (
	"cmp"
	"math"
	"time"
)

// Edges is what a stream's edges say, added up. Rates are in bits a second.
type Edges struct {
	// Unlimited: there is one without a budget.
	Unlimited bool
	// At is when the oldest of their reports came, as Control counts time.
	At     time.Duration
	Budget int64 // what they may send
	Out    int64 // what they have to send, of all their streams; not what newcomers fetch at their start
	Feeds  int64 // of it, this stream
}

// Supply is what there is of a stream, and who lives on it.
type Supply struct {
	Rate    int64 // of the stream, bits a second; 0: not known yet
	Viewers int   // admitted
	Fresh   int   // of them, neither seen in the edges' figures nor settled elsewhere
	Gives   int64 // what viewers that have found their places can give to others, bits a second
	Edges   Edges
}

// Room returns how many more viewers may come now. A newcomer lives on what an
// edge has left, or on a place that is free at a viewer; once it has found its
// places, what it gives counts. Edges that send more than is for places need
// that much of the viewers' free places themselves. While they are full, nobody
// comes, whatever viewers say of themselves: then there are no places, or they
// are not found.
func (s Supply) Room() int {
	if s.Edges.Unlimited {
		return math.MaxInt
	}
	rate := cmp.Or(s.Rate, assumedRate)
	left := s.Edges.Budget/100*edgeShare - s.Edges.Out
	if s.Edges.Out >= s.Edges.Budget/100*fullShare {
		return 0
	}
	taken := int64(s.Viewers-s.Fresh)*rate - s.Edges.Feeds // from viewers
	spare := s.Gives - max(taken, 0)
	find := int64(findShare)
	if s.Viewers >= deepSwarm {
		find = deepShare
	}
	room := (left+max(spare, 0)/100*find)/rate - int64(s.Fresh)
	return int(max(room, 0))
}
