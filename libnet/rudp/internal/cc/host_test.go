// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// host lets flows share a pacer.
type host struct {
	*sim
	pacer *Pacer
	timer time.Duration // when it wakes up; 0: not at all
}

func newHost(s *sim) *host { return &host{sim: s, pacer: NewPacer(s.now)} }

func (h *host) add(f *flow, c Class) {
	session := &Session{Owner: f}
	f.onAck = func(bytes int) {
		h.pacer.OnDelivered(h.now, bytes, f.ctl.Estimates())
		f.ctl.SetLine(h.pacer.LineQueue())
	}
	f.pacer = func(f *flow) {
		room := 0
		if f.hasData() {
			room = max(f.ctl.Window()-f.inFlight, 0) / 1232 * 1232
		}
		h.pacer.SetRate(session, f.ctl.PacingRate())
		h.pacer.SetDemand(session, c, room, f.oldest())
		h.pump()
		if f.rate > 0 && !f.hasData() {
			f.wake(f.now + time.Duration(flowPayload/f.rate*1e9))
		}
	}
}

func (h *host) pump() {
	for {
		s, c, n := h.pacer.Next(h.now)
		if s == nil {
			break
		}
		f := s.Owner.(*flow)
		sent := 0
		for sent < n && f.hasData() && f.ctl.CanSend(f.inFlight) {
			f.transmit()
			sent += 1232
		}
		h.pacer.Sent(h.now, s, c, sent)
	}
	at, ok := h.pacer.NextDeadline(h.now)
	if !ok || h.timer > h.now && h.timer <= at {
		return
	}
	h.timer = at
	h.at(at, func() {
		if h.timer == at {
			h.timer = 0
			h.pump()
		}
	})
}
