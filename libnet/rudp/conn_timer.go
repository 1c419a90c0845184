// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import "time"

// onTimer does what is due and says when it wants to be woken again; zero: never.
func (c *Conn) onTimer(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeAt = c.onTimerLocked(now)
	return c.wakeAt
}

func (c *Conn) onTimerLocked(now time.Time) time.Time {
	switch c.state {
	case stateDialing:
		if c.retryDue(now) {
			c.writeRaw(c.dialing.datagram)
		}
		return c.retryAt
	case stateHalfOpen:
		if expiry := c.created.Add(halfOpenTimeout); now.Before(expiry) {
			return expiry
		}
		c.end(ErrHandshakeTimeout)
	case stateOpen:
		return c.tick(now)
	case stateClosing:
		if c.farewell.sent < closeRepeats {
			c.farewell.sent++
			c.sendFarewell()
			return now.Add(closeInterval)
		}
		c.state = stateClosed
		c.ep.forget(c)
	}
	return time.Time{}
}

// retryDue tells whether a handshake datagram must be sent again, and doubles the wait if so.
func (c *Conn) retryDue(now time.Time) bool {
	if now.Before(c.retryAt) {
		return false
	}
	c.retryWait = min(2*c.retryWait, handshakeRetryMax)
	c.retryAt = now.Add(c.retryWait)
	return true
}

// tick is the timer's work for an open session.
func (c *Conn) tick(now time.Time) time.Time {
	idleAt := c.lastRecv.Add(c.ep.cfg.IdleTimeout)
	if !now.Before(idleAt) {
		c.endHere(ErrIdleTimeout, CodeNormal, "idle timeout")
		return now.Add(closeInterval)
	}
	next := idleAt
	if !c.confirmed {
		if c.retryDue(now) {
			c.ping(now)
		}
		next = earlier(next, c.retryAt)
	}
	askAt := later(c.lastRecv, c.lastPing).Add(c.ep.cfg.KeepAlive)
	if !now.Before(askAt) {
		c.ping(now)
		askAt = now.Add(c.ep.cfg.KeepAlive)
	}
	next = earlier(next, askAt)
	if at := c.poll(now); !at.IsZero() {
		next = earlier(next, at)
	}
	c.flush()
	return next
}

// poll lets the cores of active channels send and repeat what is due, and gives the time of the next poll;
// zero when no channel is active.
func (c *Conn) poll(now time.Time) (next time.Time) {
	c.adjust(now)
	kept := c.active[:0]
	for _, ch := range c.active {
		if !now.Before(ch.pollAt()) {
			ch.update()
		}
		if !ch.busy() {
			ch.active = false
			continue
		}
		kept = append(kept, ch)
		if at := ch.pollAt(); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if len(kept) < len(c.active) {
		clear(c.active[len(kept):])
		c.active = kept
		c.share()
	}
	return next
}

// adjust lets the window decide, and keeps it supplied with round trips while data is in flight.
func (c *Conn) adjust(now time.Time) {
	inFlight := c.inFlight()
	if c.window.update(inFlight, now) {
		c.share()
	}
	if inFlight > 0 && now.Sub(c.lastPing) >= max(c.window.srtt/2, pingInterval) {
		c.ping(now)
	}
}

// share deals the window to the channels that have something to send and a peer that takes it.
func (c *Conn) share() {
	sum := 0
	for _, ch := range c.active {
		if ch.peerWindow > 0 {
			sum += ch.level.weight()
		}
	}
	for _, ch := range c.active {
		part := c.window.segments() * ch.level.weight() / max(sum, 1)
		ch.core.WndSize(max(part, minShare), 0)
	}
}

// inFlight counts the segments sent and not acknowledged.
func (c *Conn) inFlight() int {
	n := 0
	for _, ch := range c.channels {
		n += int(ch.sent - ch.acked)
	}
	return n
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
