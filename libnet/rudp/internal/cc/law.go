// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// endRound decides what the round that ends means for the window.
func (c *Controller) endRound(now time.Duration) {
	r := c.round
	c.queue, c.own = r.raw, r.delay
	rate := float64(r.acked) / (now - r.start).Seconds()
	if !r.slowed {
		c.rate.add(now, rate, r.limited)
	}
	lossy := c.account(r)
	target := c.target()
	switch {
	case (c.slow.active || r.slowed) && r.delay <= heavyQueue*target:
	case c.starting && !c.startEnds(r):
	case c.starting:
		c.endStart(now, rate)
	case lossy && c.react(now, r, rate, target):
	case r.delay > target:
		c.yield(now, r, rate, target)
	case r.limited && now >= c.hold:
		c.increase(r.delay, target)
	}
	c.watchShift(now, r)
	c.bound()
	c.newRound(now)
}

// account smooths the loss rate over lossMemory packets and tells whether it is beyond what is tolerated.
func (c *Controller) account(r round) bool {
	bytes := float64(r.acked + r.lost)
	if bytes == 0 {
		return false
	}
	packets := bytes / float64(c.cfg.Datagram)
	c.loss += (float64(r.lost)/bytes - c.loss) * min(packets/lossMemory, 1)
	return r.overflow || r.lost > 0 && c.loss > lossTolerance
}

// react answers losses; it tells whether they were congestion's.
func (c *Controller) react(now time.Duration, r round, rate float64, target time.Duration) bool {
	queued := r.delay > max(lossMinDelay, time.Duration(lossDelayShare*float64(target))) || 2*r.lostNear > r.lost
	switch {
	case r.overflow && c.loss <= lossTolerance:
		c.window *= lossFactor
	case queued:
		c.window *= max(lossFactor, 1-lossSlope*(c.loss-lossTolerance))
		c.loss = lossTolerance // the evidence has been used
	case c.loss > heavyLoss:
		delivered := rate * c.rttBase.least.Seconds() / (1 - heavyLoss)
		c.window = max(lossFactor*c.window, min(delivered, c.window))
		c.loss = heavyLoss
	default:
		return false
	}
	c.calm = 0
	c.hold = now + c.srtt
	return true
}

// yield shrinks the window towards what keeps the queue at the target. By Little's law the window that is
// delivered at this rate is rate x (base + target), whatever the queue says by now.
func (c *Controller) yield(now time.Duration, r round, rate float64, target time.Duration) {
	c.calm = 0
	base := c.rttBase.least
	goal := c.window * float64(base+target) / float64(base+r.delay)
	heavy := r.delay > heavyQueue*target
	switch {
	case heavy && r.limited:
		goal = rate * (base + target).Seconds()
	case heavy && now < c.hold: // the queue is still of the time before the last decrease
		return
	}
	if goal >= c.window {
		return
	}
	if heavy {
		c.window = max(goal, c.window*maxDecrease)
		c.hold = now + holdRounds*c.srtt
		c.rate.reset(now, rate)
		return
	}
	c.window += gain * (goal - c.window)
}

// increase lets the window grow towards the target, and faster when there has been no queue for a while.
func (c *Controller) increase(delay, target time.Duration) {
	share := gain * float64(target-delay) / float64(max(c.rttBase.least+delay, minRound))
	if delay < target/4 {
		c.calm++
	} else {
		c.calm = 0
	}
	if boost := c.calm - calmRounds; boost > 0 {
		share *= float64(int(1) << min(boost, 10))
	}
	c.window += c.window * min(share, maxGrowth)
}

// grow is slow start: the window follows what is acknowledged.
func (c *Controller) grow(acked int) {
	if !c.round.limited {
		return
	}
	factor := c.cfg.StartGrowth
	if c.window < float64(eagerPackets*c.cfg.Datagram) || c.window < c.threshold {
		factor = 1
	}
	c.window = min(c.window+factor*float64(acked), float64(c.cfg.MaxWindow))
}

// startEnds tells whether the round has found the end of slow start.
func (c *Controller) startEnds(r round) bool {
	switch {
	case r.samples >= startSamples && r.delay > c.startLimit():
		return true
	case r.delay > c.target(): // few samples, but clear ones
		return true
	case r.lost >= startLosses*c.cfg.Datagram && c.loss > lossTolerance:
		return true
	}
	return c.threshold > 0 && c.window >= c.threshold
}

// startLimit is the delay that ends slow start.
func (c *Controller) startLimit() time.Duration {
	return min(max(c.rttBase.least/startDivisor, startMinDelay), startMaxDelay)
}

// endStart leaves slow start with the window that the path has shown to deliver.
func (c *Controller) endStart(now time.Duration, rate float64) {
	c.starting, c.threshold, c.loss = false, 0, 0
	if target := c.target(); c.round.delay > target/2 {
		goal := rate * (c.rttBase.least + target/2).Seconds()
		c.window = max(min(c.window, goal), maxDecrease*c.window)
	}
	c.hold = now + holdRounds*c.srtt
}
