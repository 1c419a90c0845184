// SPDX-License-Identifier: GPL-3.0-or-later

package arq

// Deadline is when OnTimer must be called next; zero: only after something else has happened.
func (c *Core) Deadline() Time {
	at := Time(0)
	if c.flight.n > 0 {
		sn := c.flight.head
		s := c.win.at(sn)
		at = c.timeoutAt(s)
		if c.overtaken(sn, s) {
			at = min(at, s.at+c.rtt.latest+c.reorderWindow())
		}
		if !c.probed && c.backoff == 0 {
			at = min(at, c.probeAt())
		}
	} else if c.backoff > 0 && c.lost.n > 0 && c.credit <= 0 {
		at = c.progress + c.rtt.timeout(c.level, c.backoff)
	}
	if ask := c.askTime(); ask != 0 && (at == 0 || ask < at) {
		at = ask
	}
	return at
}

// probeAt is when a silence after the newest transmission is probed.
func (c *Core) probeAt() Time {
	return c.win.at(c.flight.tail).at + c.rtt.probeTimeout(c.level)
}

// timeoutAt is when the oldest transmission counts as lost without any acknowledgement.
func (c *Core) timeoutAt(oldest *segment) Time {
	return max(oldest.at, c.progress) + c.rtt.timeout(c.level, c.backoff)
}

// closed tells whether only the peer's window holds data back, and nothing is in flight that would bring news.
func (c *Core) closed() bool {
	return (c.queue.n > 0 || c.skipped > 0) && c.win.una == c.win.nxt && !before(c.win.nxt, c.edge)
}

// askTime is when to ask for the window.
func (c *Core) askTime() Time {
	if !c.closed() {
		return 0
	}
	return c.askAt
}

// OnTimer finds what time alone tells: losses, silence and timeouts.
func (c *Core) OnTimer(now Time) (f Feedback) {
	c.watchWindow(now)
	if c.flight.n > 0 {
		c.detect(now, &f)
	}
	if c.flight.n == 0 {
		if c.backoff > 0 && c.lost.n > 0 && c.credit <= 0 && now >= c.progress+c.rtt.timeout(c.level, c.backoff) {
			c.expire(now, &f)
		}
		return f
	}
	if now >= c.timeoutAt(c.win.at(c.flight.head)) {
		c.expire(now, &f)
		return f
	}
	if !c.probed && c.backoff == 0 && now >= c.probeAt() {
		c.probed = true
		c.probes = tailProbes
	}
	return f
}

// expire is an RTO: all that has been under way for a round trip counts as lost, and goes out again a few
// segments at a time until an acknowledgement comes.
func (c *Core) expire(now Time, f *Feedback) {
	f.Timeout = true
	if c.backoff == 0 {
		c.timedOut = now
	}
	if c.stuck == 0 {
		c.stuck = now
	}
	c.backoff++
	c.stats.Timeouts++
	c.progress, c.credit = now, tailProbes
	c.probes, c.ncopies = 0, 0
	wait := c.rtt.smoothed + c.reorderWindow()
	for first := true; c.flight.n > 0; first = false {
		sn := c.flight.head
		s := c.win.at(sn)
		if !first && now < s.at+wait {
			break
		}
		c.giveUp(sn, s, f)
	}
}

// NewPath says that the way to the peer is another one from now on, and works. Where the old one had fallen silent, all
// that was sent by it goes out again at once, rather than when the next timeout is due.
func (c *Core) NewPath(now Time) {
	c.stuck = 0
	if c.backoff == 0 {
		return
	}
	var unheard Feedback // it says nothing of the new path
	for c.flight.n > 0 {
		c.giveUp(c.flight.head, c.win.at(c.flight.head), &unheard)
	}
	c.backoff, c.credit, c.late, c.progress = 0, 0, false, now
}

// Silence is for how long there have been timeouts and the oldest segment has not arrived, whatever else has; zero: it
// has, since the last one.
func (c *Core) Silence(now Time) Time {
	if c.stuck == 0 {
		return 0
	}
	return now - c.stuck
}

// watchWindow asks for a window that stays closed.
func (c *Core) watchWindow(now Time) {
	if !c.closed() {
		c.askAt, c.askWait, c.ask = 0, 0, false
		return
	}
	switch {
	case c.askAt == 0:
		c.askWait = probeInterval
	case now >= c.askAt:
		c.ask = true
		c.askWait = min(c.askWait+c.askWait/2, maxProbeInterval)
	default:
		return
	}
	c.askAt = now + c.askWait
}
