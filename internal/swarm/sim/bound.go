// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"slices"
	"time"
)

// Bound is the least lag with which one piece can reach every viewer: whoever
// holds it sends copies back to back, and the next copy goes to the viewer
// with the most uplink that is still without. The edge sends as many copies as
// it can before the next piece is cut. No schedule is faster, and one for a
// whole stream is slower. Times count from the cut.
type Bound struct {
	P50, P99, Max time.Duration
}

// sends is the edge's part: copies of a piece that take slot each.
type sends struct {
	copies int
	slot   time.Duration
}

// sender is a holder and the arrival of the copy that it is sending.
type sender struct {
	at   time.Duration
	slot time.Duration // what a copy takes on its uplink
	left int           // copies that it may still send
}

// never is later than any event.
const never = time.Duration(1<<63 - 1)

// lowerBound computes the bound for viewers whose uplinks take the given times
// for a copy, and a hop latency.
func lowerBound(viewers []time.Duration, edge sends, latency time.Duration) Bound {
	slots := slices.Clone(viewers)
	slices.Sort(slots)
	if len(slots) == 0 || edge.copies == 0 {
		return Bound{}
	}
	h := senders{{at: edge.slot + latency, slot: edge.slot, left: edge.copies}}
	arrivals := make([]time.Duration, len(slots))
	for i, slot := range slots {
		at := h[0].at
		arrivals[i] = at
		h[0].at += h[0].slot
		if h[0].left--; h[0].left == 0 {
			h[0].at = never
		}
		h.down(0)
		h.push(sender{at: at + slot + latency, slot: slot, left: len(slots)})
	}
	return Bound{
		P50: arrivals[len(arrivals)/2],
		P99: arrivals[min(len(arrivals)*99/100, len(arrivals)-1)],
		Max: arrivals[len(arrivals)-1],
	}
}

// senders is a binary heap by arrival.
type senders []sender

func (h *senders) push(s sender) {
	*h = append(*h, s)
	for i := len(*h) - 1; i > 0; {
		up := (i - 1) / 2
		if (*h)[up].at <= (*h)[i].at {
			return
		}
		(*h)[up], (*h)[i] = (*h)[i], (*h)[up]
		i = up
	}
}

func (h senders) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if h[c].at < h[least].at {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
