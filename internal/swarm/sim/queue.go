// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"time"

	"p2plive/internal/wire"
)

// kind says what an event is.
type kind uint8

const (
	evStart   kind = iota // a peer comes
	evLeave               // a peer goes
	evCut                 // the source cuts the next fragment
	evTick                // a machine's wake-up; arg is its generation
	evMessage             // a swarm message arrives
	evPiece               // a piece arrives; arg is its fragment
	evOpen                // a handshake is over
	evClosed              // a session's other end is known to be gone
	evFailed              // a dial was in vain
	evTracker             // the tracker's answer arrives; arg is how many peers were asked for
	evSecond              // a second of the run is over
	evFault               // a fault of the scenario; arg is its index
	evJoins               // the tracker admits those that wait
)

// event is something that happens to peer to. Which other fields mean
// something depends on its kind.
type event struct {
	at      time.Duration
	order   uint64 // of those at the same time
	msg     wire.Message
	from    uint32
	to      uint32
	session uint32
	arg     uint32
	kind    kind
	via     wire.Via
	bad     bool // the piece's signature does not hold
}

const (
	// bucketWidth keeps a bucket's heap small at 10^7 events a second.
	bucketWidth = 256 * time.Microsecond
	// buckets span a second: nearly all events are nearer than that.
	buckets = 4096
)

// queue is a calendar queue: events are dropped into buckets of time, and only
// those of the present bucket are kept in order. What is further away than the
// buckets reach waits in a heap of its own.
type queue struct {
	now   time.Duration
	order uint64
	size  int

	present heap4 // the bucket that is being emptied
	index   int64 // its number, counted from time 0
	heads   [buckets]uint32
	cells   []cell
	unused  uint32 // first of the list of unused cells, 0 if none
	far     heap4
}

// cell is an event in a bucket's list.
type cell struct {
	event
	next uint32
}

func newQueue() *queue {
	return &queue{cells: make([]cell, 1, 1024)} // cell 0 ends lists
}

// add puts an event in. A time in the past means now.
func (q *queue) add(e event) {
	e.at = max(e.at, q.now)
	q.order++
	e.order = q.order
	q.size++
	q.put(e)
}

func (q *queue) put(e event) {
	switch n := int64(e.at / bucketWidth); {
	case n <= q.index:
		q.present.push(e)
	case n < q.index+buckets:
		i := q.unused
		if i == 0 {
			q.cells = append(q.cells, cell{})
			i = uint32(len(q.cells) - 1)
		} else {
			q.unused = q.cells[i].next
		}
		slot := &q.heads[n%buckets]
		q.cells[i] = cell{e, *slot}
		*slot = i
	default:
		q.far.push(e)
	}
}

// next returns the earliest event not after until.
func (q *queue) next(until time.Duration) (event, bool) {
	for len(q.present) == 0 {
		if q.size == 0 || time.Duration(q.index)*bucketWidth > until {
			q.now = max(q.now, until)
			return event{}, false
		}
		q.advance()
	}
	if q.present[0].at > until {
		q.now = max(q.now, until)
		return event{}, false
	}
	e := q.present.pop()
	q.size--
	q.now = e.at
	return e, true
}

// advance opens the next bucket, and takes in what has come within reach.
func (q *queue) advance() {
	q.index++
	for len(q.far) > 0 && int64(q.far[0].at/bucketWidth) < q.index+buckets {
		q.put(q.far.pop())
	}
	slot := &q.heads[q.index%buckets]
	for i := *slot; i != 0; {
		c := &q.cells[i]
		q.present.push(c.event)
		next := c.next
		*c = cell{next: q.unused}
		q.unused, i = i, next
	}
	*slot = 0
}

// heap4 is a heap of events with four children to a node: half as deep as a
// binary one, and its children share cache lines.
type heap4 []event

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.order < o.order
}

func (h *heap4) push(e event) {
	*h = append(*h, e)
	s := *h
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&s[up]) {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = e
}

func (h *heap4) pop() event {
	s := *h
	top := s[0]
	last := s[len(s)-1]
	s[len(s)-1] = event{}
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return top
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= len(s) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(s)); c++ {
			if s[c].before(&s[least]) {
				least = c
			}
		}
		if !s[least].before(&last) {
			break
		}
		s[i] = s[least]
		i = least
	}
	s[i] = last
	return top
}
