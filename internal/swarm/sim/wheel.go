// SPDX-License-Identifier: GPL-3.0-or-later

package sim

const (
	// wheelSlots windows ahead are kept apart: nearly all events are nearer.
	wheelSlots = 1024
	// pageEvents keeps a page near 8 kB.
	pageEvents = 128
)

// wheel keeps events by the window that they are due in and the group of their
// peer, in no order within. What is further away than it reaches waits in a heap.
type wheel struct {
	g      *engine
	slots  [wheelSlots][]*page // by group
	counts [wheelSlots]int     // events
	unused *page
	far    heap4
}

// page holds some of a window's events for a group. Full ones follow it.
type page struct {
	events [pageEvents]event
	n      int
	next   *page
}

// put keeps an event that is due in a window, not before the present one.
func (w *wheel) put(e *event, window, present int64) {
	if window-present >= wheelSlots {
		w.far.push(*e)
		return
	}
	i := window % wheelSlots
	if w.slots[i] == nil {
		w.slots[i] = make([]*page, w.g.groups())
	}
	slot := &w.slots[i][w.g.groupOf(e.to)]
	p := *slot
	if p == nil || p.n == pageEvents {
		p = w.unused
		if p == nil {
			p = new(page)
		} else {
			w.unused = p.next
		}
		p.next = *slot
		*slot = p
	}
	p.events[p.n] = *e
	p.n++
	w.counts[i]++
}

// open prepares the present window, and returns how many events it has.
func (w *wheel) open(present int64) int {
	for len(w.far) > 0 && w.g.windowOf(&w.far[0]) < present+wheelSlots {
		e := w.far.pop()
		w.put(&e, max(w.g.windowOf(&e), present), present)
	}
	return w.counts[present%wheelSlots]
}

// pages returns those of a group in the present window.
func (w *wheel) pages(present int64, group int) *page {
	if slots := w.slots[present%wheelSlots]; slots != nil {
		return slots[group]
	}
	return nil
}

// close gives up the pages of the present window.
func (w *wheel) close(present int64) {
	i := present % wheelSlots
	for _, p := range w.slots[i] {
		for p != nil {
			next := p.next
			p.n, p.next = 0, w.unused
			w.unused, p = p, next
		}
	}
	clear(w.slots[i])
	w.counts[i] = 0
}

// heap4 is a heap of events with four children to a node: half as deep as a
// binary one, and its children share cache lines.
type heap4 []event

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
