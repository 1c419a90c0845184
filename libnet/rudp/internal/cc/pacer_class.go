// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// Within a class sessions take turns by deficit round robin (Shreedhar and Varghese, SIGCOMM 1995): each turn
// is worth a quantum, and what a large packet takes beyond it is missing the next time.

// pick chooses the class: the first that others have kept from its least share, otherwise the first of all.
func (p *Pacer) pick() (Class, bool) {
	for c := range p.classes {
		if p.classes[c].head != nil && p.classes[c].owed >= float64(p.quantum(Class(c))) {
			return Class(c), true
		}
	}
	for c := range p.classes {
		if p.classes[c].head != nil {
			return Class(c), true
		}
	}
	return 0, false
}

// grant gives a turn to the session at the head of the ring.
func (p *Pacer) grant(c Class) (*Session, Class, int) {
	k := &p.classes[c]
	for {
		s := k.head
		q := &s.queues[c]
		if q.deficit <= 0 {
			q.deficit += p.quantum(c)
		}
		if p.line > 0 {
			q.deficit = max(q.deficit, p.quantum(c))
		}
		if q.deficit > 0 {
			return s, c, min(q.demand, q.deficit)
		}
		k.head = q.next // went far beyond its last turn
	}
}

// quantum is a turn's worth: what passes in turnTime, or less where all the turns of a class would take longer
// than roundTime, so that sessions send batches when the line is fast, and one packet when it is slow.
func (p *Pacer) quantum(c Class) int {
	rate := p.Rate()
	if rate == 0 {
		return maxQuantum
	}
	turn := min(turnTime, roundTime/time.Duration(max(p.classes[c].sessions, 1)))
	return min(max(int(rate*turn.Seconds()), minQuantum), maxQuantum)
}

// account keeps what the classes that wait are owed.
func (p *Pacer) account(served Class, bytes int) {
	for c := range p.classes {
		k := &p.classes[c]
		switch {
		case Class(c) == served:
			k.owed = max(k.owed-float64(bytes), 0)
		case k.head != nil:
			k.owed = min(k.owed+classShares[c]*float64(bytes), float64(maxOwed*p.quantum(Class(c))))
		}
	}
}

// enlist puts a session into the ring of a class: last, or, on a line that is known, behind those whose messages are older.
func (p *Pacer) enlist(s *Session, c Class) {
	q := &s.queues[c]
	if q.next != nil {
		return
	}
	p.classes[c].sessions++
	head := p.classes[c].head
	if head == nil {
		p.classes[c].head = s
		q.prev, q.next = s, s
		return
	}
	last := head.queues[c].prev
	if p.line > 0 {
		for q.oldest < last.queues[c].oldest {
			if last == head {
				last, p.classes[c].head = head.queues[c].prev, s
				break
			}
			last = last.queues[c].prev
		}
	}
	next := last.queues[c].next
	q.prev, q.next = last, next
	last.queues[c].next, next.queues[c].prev = s, s
}

// leave takes a session out of the ring of a class.
func (p *Pacer) leave(s *Session, c Class) {
	q := &s.queues[c]
	if q.next == nil {
		return
	}
	k := &p.classes[c]
	k.sessions--
	if q.next == s {
		k.head, k.owed = nil, 0
	} else {
		q.prev.queues[c].next = q.next
		q.next.queues[c].prev = q.prev
		if k.head == s {
			k.head = q.next
		}
	}
	q.prev, q.next = nil, nil
}
