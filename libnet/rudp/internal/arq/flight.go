// SPDX-License-Identifier: GPL-3.0-or-later

package arq

// segment is the record of a data segment from its first transmission until una has passed it.
type segment struct {
	msg   *message // nil: a marker for skipped messages
	at    Time     // last transmission
	off   int32
	size  int16
	frg   uint8
	state state
	again bool // sent more than once
	probe bool // its last transmission was a tail probe's
	prev  uint32
	next  uint32
}

type state uint8

const (
	acked  state = iota // or free
	flying              // in Core.flight
	lost                // in Core.lost
)

// list is a doubly linked list of segments, by their sequence numbers.
type list struct {
	head, tail uint32
	n          int
	bytes      int // headers included
}

// window is the ring of records from una to nxt.
type window struct {
	ring     []segment
	una, nxt uint32 // first not acknowledged; next new one
	head     int    // bytes of a data segment's header
}

func (w *window) at(sn uint32) *segment { return &w.ring[sn&uint32(len(w.ring)-1)] }

// has tells whether sn has been sent and is not below una.
func (w *window) has(sn uint32) bool { return sn-w.una < w.nxt-w.una }

// add gives the record of the next sequence number.
func (w *window) add() (sn uint32, s *segment) {
	if int(w.nxt-w.una) == len(w.ring) {
		w.grow()
	}
	sn = w.nxt
	w.nxt++
	s = w.at(sn)
	*s = segment{}
	return sn, s
}

func (w *window) grow() {
	old := *w
	w.ring = make([]segment, max(smallRing, 2*len(old.ring)))
	for sn := old.una; sn != old.nxt; sn++ {
		*w.at(sn) = *old.at(sn)
	}
}

// append puts sn at the end of the list.
func (w *window) append(l *list, sn uint32) {
	s := w.at(sn)
	if l.n == 0 {
		l.head = sn
	} else {
		w.at(l.tail).next = sn
		s.prev = l.tail
	}
	l.tail = sn
	l.n++
	l.bytes += w.head + int(s.size)
}

// remove takes sn out of the list.
func (w *window) remove(l *list, sn uint32) {
	s := w.at(sn)
	if sn == l.head {
		l.head = s.next
	} else {
		w.at(s.prev).next = s.next
	}
	if sn == l.tail {
		l.tail = s.prev
	} else {
		w.at(s.next).prev = s.prev
	}
	l.n--
	l.bytes -= w.head + int(s.size)
}

// prepend puts all of front before the list.
func (w *window) prepend(l *list, front *list) {
	switch {
	case front.n == 0:
		return
	case l.n == 0:
		*l = *front
	default:
		w.at(front.tail).next = l.head
		w.at(l.head).prev = front.tail
		l.head = front.head
		l.n += front.n
		l.bytes += front.bytes
	}
	*front = list{}
}
