// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// slowdown drains the queue for a moment, so that the base delay can be measured again.
type slowdown struct {
	slot   time.Duration // number of the last interval that has begun, counted from the epoch
	last   time.Duration // when the last one began
	active bool
	until  time.Duration
	window float64
}

// advance begins and ends slowdowns.
func (c *Controller) advance(now time.Duration) {
	if c.slow.active && now >= c.slow.until {
		c.slow.active = false
		c.hold = now + holdRounds*c.srtt
	}
	slot := now / slowdownInterval
	if slot == c.slow.slot {
		return
	}
	c.slow.slot = slot
	c.validate()
	if now-c.slow.last >= joinGap {
		c.slowDown(now)
	}
}

// join slows down when another flow does.
func (c *Controller) join(now time.Duration) {
	dip := float64(c.round.delay) < joinDip*float64(c.own) && c.round.samples >= roundSamples
	if dip && now-c.slow.last >= joinGap && now >= c.hold {
		c.slowDown(now)
	}
}

func (c *Controller) slowDown(now time.Duration) {
	if c.starting || c.dead || c.srtt == 0 || c.slow.active || c.own < minSlowdownQueue {
		return
	}
	if c.own > heavyQueue*c.target() { // not ours to drain, or being drained
		return
	}
	base := c.rttBase.least
	own := c.window * float64(base) / float64(base+c.own) // what the path holds without a queue
	c.slow.last = now
	c.slow.active = true
	c.slow.window = max(slowdownDepth*own, float64(c.cfg.MinWindow))
	// What is above the lower window takes its share of a round trip to come back.
	share := 1 - c.slow.window/c.window
	c.slow.until = now + time.Duration(share*float64(c.srtt)) + max(c.srtt/slowdownShare, slowdownSlack)
	c.round.slowed = true
}

// validate takes back window that has not been used since the last slowdown: the path has not been seen to
// carry it for a while (RFC 7661).
func (c *Controller) validate() {
	if most := float64(c.most); !c.starting && !c.dead && most < c.window/2 {
		c.window = max((c.window+most)/2, min(c.window, float64(c.cfg.InitialWindow)))
	}
	c.most = 0
}

// shift watches for a route that has become longer, which at the least window cannot be told from a queue
// but by how steady it is.
type shift struct {
	since     time.Duration
	rounds    int
	low, high time.Duration // round trips
	busy      bool          // the window was not at its least
}

func (s *shift) reset(now time.Duration) { *s = shift{since: now} }

func (c *Controller) watchShift(now time.Duration, r round) {
	s := &c.shift
	if s.rounds == 0 || r.rtt < s.low {
		s.low = r.rtt
	}
	s.high = max(s.high, r.rtt)
	s.rounds++
	s.busy = s.busy || c.window > 2*float64(c.cfg.MinWindow)
	if now-s.since < baseInterval {
		return
	}
	steady := !s.busy && s.rounds >= shiftRounds && s.high-s.low <= shiftSpread
	if steady && s.low-c.rttBase.least > c.cfg.TargetFloor {
		c.rttBase.forget()
		c.oneWayBase.forget()
		c.starting = true
	}
	s.reset(now)
}
