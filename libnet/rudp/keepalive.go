// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"errors"
	"sync/atomic"
	"time"
)

// keepalive is how sessions see to it that they are not forgotten, and find out that their peer is gone.
type keepalive struct {
	interval atomic.Int64 // a time.Duration: the silence after which the peer is asked
	idle     atomic.Int64 // the silence after which the session ends
}

// SetKeepAlive changes Config.KeepAlive and Config.IdleTimeout of running sessions, too, as when it has become known how
// long the NATs on the way keep a mapping that nothing passes. idle must be more than interval.
func (e *Endpoint) SetKeepAlive(interval, idle time.Duration) error {
	if interval <= 0 || idle <= interval {
		return errors.New("rudp: the keepalive interval must be above zero and below the idle timeout")
	}
	e.keep.interval.Store(int64(interval))
	e.keep.idle.Store(int64(idle))
	e.eachOpen(func(c *Conn, now time.Time) {
		// A silence that was allowed until now is no reason to end: there has been no question yet.
		if asked := now.Add(-interval); c.lastRecv.Before(asked) {
			c.lastRecv = asked
		}
		c.wake(now)
	})
	return nil
}

// Recheck asks the peers of all sessions for a sign of life at once, and ends the sessions from which none comes within
// two seconds: after the host has slept, or changed its network, what was true of a path need not be any more. A peer
// that sees another address than before finds out by the same question.
func (e *Endpoint) Recheck() {
	e.eachOpen(func(c *Conn, now time.Time) {
		c.rechecked = now
		c.ping(now)
		c.writeOut()
		c.wake(c.askAt())
	})
}

// eachOpen calls f for all open sessions, with their lock held.
func (e *Endpoint) eachOpen(f func(*Conn, time.Time)) {
	e.mu.RLock()
	conns := e.allConns()
	e.mu.RUnlock()
	now := time.Now()
	for _, c := range conns {
		c.mu.Lock()
		if c.state == stateOpen {
			f(c, now)
		}
		c.mu.Unlock()
	}
}

// Ping asks the peer for a sign of life, beyond what keepalive does.
func (c *Conn) Ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateOpen {
		return
	}
	c.ping(time.Now())
	c.writeOut()
	c.wake(c.askAt())
}

// idleAt is when the session ends if nothing is heard until then.
func (c *Conn) idleAt() time.Time {
	at := c.lastRecv.Add(time.Duration(c.ep.keep.idle.Load()))
	if c.rechecked.After(c.lastRecv) {
		at = earlier(at, c.rechecked.Add(recheckTimeout))
	}
	return at
}

// keepAlive asks the peer for a sign of life if it is time to, and says when to look again.
func (c *Conn) keepAlive(now time.Time) time.Time {
	if !c.confirmed {
		if c.retryDue(now) {
			c.ping(now)
		}
		return c.retryAt
	}
	if !now.Before(c.askAt()) {
		c.ping(now)
	}
	return c.askAt()
}

// askAt is when the peer is asked for a sign of life: after a silence, and more often as long as no answer comes, so
// that a path which loses much is not taken for a dead one. All sessions of an endpoint ask in step, up to one step early:
// waking up costs a host with many idle sessions more than what it then does. Who was dialled asks a step earlier, so that
// a host asks all its guests in one go rather than be woken by each. Nobody asks late: a NAT may count on it. Where the peer sends regularly, as with a live stream, a
// short silence is enough: a NAT on the way may have forgotten the session, and only what goes out opens it again.
func (c *Conn) askAt() time.Time {
	interval := time.Duration(c.ep.keep.interval.Load())
	step := max(min(interval/keepAliveRepeats, askAgain), 1)
	at := c.lastRecv.Add(interval)
	silence := max(silentBeats*c.rhythm, minSilence)
	switch {
	case c.lastPing.After(c.lastRecv):
		at = c.lastPing.Add(max(step, 2*duration(c.rtt.Smoothed())))
	case silence < interval:
		return c.lastRecv.Add(silence)
	case !c.dialed:
		at = at.Add(-step)
	}
	return at.Add(-(at.Sub(c.ep.start) % step))
}
