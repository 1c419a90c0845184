// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// onTimer does what is due. It runs on the timer queue's goroutine, out of the queue, and goes back into it under the
// session's lock: a session that is forgotten right after does not stay there.
func (c *Conn) onTimer(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeAt = c.due(now)
	if !c.wakeAt.IsZero() {
		c.ep.timers.insert(c, c.wakeAt)
	}
}

// due says when the session wants to be woken again; zero: never.
func (c *Conn) due(now time.Time) time.Time {
	switch c.state {
	case stateDialing:
		if c.retryDue(now) {
			c.writeRaw(c.dialing.datagram)
			if c.ep.observed() {
				c.tell(now, HandshakeRetried{Addr: c.path.Addr})
			}
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
	idleAt := c.idleAt()
	if !now.Before(idleAt) {
		c.endHere(ErrIdleTimeout, CodeNormal, "idle timeout")
		return now.Add(closeInterval)
	}
	if c.blocked(now) {
		c.endHere(ErrPathBlocked, CodeNormal, "path blocked")
		return now.Add(closeInterval)
	}
	next := idleAt
	if now.Sub(c.keyed) >= rekeyInterval {
		c.keyed = now
		c.sealed = (c.sealed>>epochBits + 1) << epochBits // the peer follows
	}
	next = earlier(next, c.keepAlive(now))
	c.wakeAt = time.Time{} // so that flush sets it anew
	c.poll(now)
	c.flush(now)
	c.trim()
	if !c.wakeAt.IsZero() {
		next = earlier(next, c.wakeAt)
	}
	return next
}

// blocked tells whether a channel's data has not got through for so long that the path must be at fault, although the
// peer is heard. It is twice as long as a session may be idle: after a blackout of nearly that, repeats need a moment.
func (c *Conn) blocked(now time.Time) bool {
	limit, t := arq.Time(2*c.ep.keep.idle.Load()/int64(time.Microsecond)), c.ticks(now)
	for _, ch := range c.active {
		if ch.core.Silence(t) >= limit {
			return true
		}
	}
	return false
}

// trim frees what idle channels hold. Only sessions whose timer comes rarely are idle.
func (c *Conn) trim() {
	if len(c.active) > 0 {
		return
	}
	c.parts = nil
	for _, ch := range c.channels {
		ch.core.Trim()
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
