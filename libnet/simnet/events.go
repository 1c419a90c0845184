// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import "time"

// event is something a link does with a packet at a moment.
type event struct {
	at   time.Duration // since the network's start
	link *link
	p    *packet
	kind eventKind
}

type eventKind uint8

const (
	departs eventKind = iota // the link has put the packet on the wire
	arrives                  // the packet comes out at the far end
)

func (e event) before(f event) bool {
	if e.at != f.at {
		return e.at < f.at
	}
	return e.p.before(f.p)
}

// eventHeap is a binary heap, earliest first. container/heap would allocate per event.
type eventHeap []event

func (h *eventHeap) push(e event) {
	*h = append(*h, e)
	s := *h
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s[i].before(s[parent]) {
			break
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

// pop removes the earliest event; the heap must not be empty.
func (h *eventHeap) pop() event {
	s := *h
	first, last := s[0], len(s)-1
	s[0] = s[last]
	s[last] = event{}
	s = s[:last]
	*h = s
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s); child++ {
			if s[child].before(s[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
