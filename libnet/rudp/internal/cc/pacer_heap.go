// SPDX-License-Identifier: GPL-3.0-or-later

package cc

// sessionHeap has the session that may send first at its head. container/heap would need an interface call per
// comparison.
type sessionHeap []*Session

func (h *sessionHeap) push(s *Session) {
	*h = append(*h, s)
	s.index = len(*h)
	h.up(len(*h) - 1)
}

func (h *sessionHeap) pop() *Session {
	s := (*h)[0]
	h.remove(s)
	return s
}

func (h *sessionHeap) remove(s *Session) {
	i, last := s.index-1, len(*h)-1
	if i != last {
		h.swap(i, last)
	}
	(*h)[last] = nil
	*h = (*h)[:last]
	s.index = 0
	if i != last {
		h.down(i)
		h.up(i)
	}
}

func (h sessionHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h sessionHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h sessionHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h[right].at < h[child].at {
			child = right
		}
		if h[i].at <= h[child].at {
			return
		}
		h.swap(i, child)
		i = child
	}
}
