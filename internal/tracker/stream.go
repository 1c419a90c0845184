// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/swarm/admission"
)

// stream is one that is live, or whose source vanished less than holdName ago.
type stream struct {
	id     signal.StreamID
	name   string
	source *member // nil: vanished
	since  time.Time
	goneAt time.Time // of the source
	kbps   uint32

	// control lets its viewers in; those that wait are in its queue.
	control *admission.Control[signal.PeerID]

	// The edges that carry it, by their own word and by the source's.
	byEdge   map[signal.PeerID]bool
	bySource map[signal.PeerID]bool
}

// recent remembers what ended, so that a viewer is told "ended" and not
// "unknown". The oldest is forgotten first.
type recent struct {
	set   map[string]bool
	queue []string
}

func (r *recent) add(names ...string) {
	for _, name := range names {
		if r.set[name] {
			continue
		}
		if r.set == nil {
			r.set = make(map[string]bool)
		}
		if len(r.queue) == maxRecent {
			delete(r.set, r.queue[0])
			r.queue = r.queue[1:]
		}
		r.set[name] = true
		r.queue = append(r.queue, name)
	}
}

func (r *recent) has(name string) bool { return r.set[name] }
