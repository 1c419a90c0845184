// SPDX-License-Identifier: GPL-3.0-or-later

package sim

const (
	// wheelSlots windows ahead are kept apart: nearly all events are nearer.
	wheelSlots = 1024
	// pageEvents keeps a page near 8 kB.
	pageEvents = 128
)

// wheel keeps events by the window that they are due in, in no order within it.
// What is further away than it reaches waits in a heap.
type wheel struct {
	slots  [wheelSlots]*page
	unused *page
	far    heap4
}

// page holds some of a window's events. Full ones follow it.
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
	slot := &w.slots[window%wheelSlots]
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
}

// open returns the pages of the present window. They are to be closed again.
func (w *wheel) open(present int64, windowOf func(*event) int64) *page {
	for len(w.far) > 0 && windowOf(&w.far[0]) < present+wheelSlots {
		e := w.far.pop()
		w.put(&e, max(windowOf(&e), present), present)
	}
	return w.slots[present%wheelSlots]
}

// close gives up the pages of the present window.
func (w *wheel) close(present int64) {
	slot := &w.slots[present%wheelSlots]
	for p := *slot; p != nil; {
		next := p.next
		p.n, p.next = 0, w.unused
		w.unused, p = p, next
	}
	*slot = nil
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
