// SPDX-License-Identifier: GPL-3.0-or-later

package viewer

import (
	"errors"
	"time"

	"p2plive/internal/peer"
	"p2plive/internal/signal"
)

// await notes what keeps a viewer that is not in the swarm from joining it: the
// stream is not live, or full.
func (v *Viewer) await(e signal.StreamState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.State != signal.StateQueued {
		v.state, v.place, v.asked = peer.StateWaiting, 0, time.Time{}
		v.log.Info("the stream is not live yet; waiting for it", "stream", v.stream)
		return
	}
	v.note(e)
	fresh := v.state != peer.StateQueued
	v.state, v.place = peer.StateQueued, e.Place
	if now := time.Now(); fresh || now.Sub(v.placed) >= placeInterval {
		v.placed = now
		v.log.Info("the stream is full; waiting in its queue", "place", e.Place, "stream", v.name)
	}
}

// turnedAway notes that there is no room in the queue either.
func (v *Viewer) turnedAway(err error) {
	var full *signal.FullError
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.swarm == nil && errors.As(err, &full) {
		v.state, v.place = peer.StateFull, 0
	}
}

// begin notes that the viewer is let in.
func (v *Viewer) begin(e signal.StreamState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.note(e)
	if v.state != peer.StateLive {
		v.lead = time.Since(v.asked)
	}
	v.state, v.place = peer.StateLive, 0
}

// note takes the stream's name, and the time from which the first picture is
// waited for: the start, or when a stream that had to be waited for was live.
// The caller holds v.mu.
func (v *Viewer) note(e signal.StreamState) {
	v.name = e.Name
	if !v.asked.IsZero() {
		return
	}
	v.asked = time.Now()
	if v.state == peer.StateConnecting || v.state == peer.StateFull {
		v.asked = v.start
	}
}

// setTicket keeps the newest ticket: it tells a tracker that the viewer has been
// let in before, and others that it may take part.
func (v *Viewer) setTicket(ticket []byte) {
	v.mu.Lock()
	v.ticket = ticket
	s := v.swarm
	v.mu.Unlock()
	if s != nil {
		s.SetTicket(ticket)
	}
}

func (v *Viewer) lastTicket() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ticket
}
