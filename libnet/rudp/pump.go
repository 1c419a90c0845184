// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/rudp/internal/cc"
)

// activate puts a channel among those that flush looks at.
func (c *Conn) activate(ch *Channel) {
	if ch.active {
		return
	}
	ch.active = true
	// Its share is counted from now: time without anything to send earns nothing.
	for _, other := range c.active {
		if other.class == ch.class {
			ch.spent = max(ch.spent, other.spent)
			break
		}
	}
	c.active = append(c.active, ch)
}

// flush sends all that must not wait (see push), and wakes the one who sends data if there is any. The caller holds c.mu.
func (c *Conn) flush(now time.Time) {
	if c.push(now) {
		signal(c.ep.pacing.wake)
	}
}

// push sends acknowledgements, what there is to say of windows, and probes for what is not acknowledged. Data is offered
// to the pacer; it tells whether there is any. The caller holds c.mu.
func (c *Conn) push(now time.Time) bool {
	sent := c.stats.WireOut
	if c.acknowledges(now) {
		for _, ch := range c.active {
			c.out.control(c, ch)
		}
	}
	c.probe(now)
	c.discover(now)
	c.writeOut()
	if n := c.stats.WireOut - sent; n > 0 {
		c.ep.pacing.charge(c.at(now), int(n))
	}
	if c.ep.observed() {
		c.tellExpired(now)
	}
	c.arm()
	return c.offer(now)
}

// acknowledges tells whether what there is to acknowledge leaves now. In the midst of a message it waits for a
// few datagrams, or for a moment: on a home's line an answer to each would take a tenth of what comes.
func (c *Conn) acknowledges(now time.Time) bool {
	telling := false
	for _, ch := range c.active {
		if ch.core.Hurried() {
			c.ackAt = time.Time{}
			return true
		}
		telling = telling || ch.core.Telling()
	}
	if !telling {
		return false
	}
	share, most, longest := time.Duration(ackShare), uint64(maxUnacked), maxAckDelay
	switch Thrift(c.ep.thrift.Load()) {
	case Thrifty:
		share, most, longest = thriftyShare, thriftyUnacked, thriftyAckDelay
	case VeryThrifty:
		share, most, longest = veryThriftyShare, thriftyUnacked, thriftyAckDelay
	}
	if c.ackAt.IsZero() {
		c.ackAt, c.ackFrom = now.Add(min(duration(c.rtt.Smoothed())/share, longest)), c.stats.DatagramsIn
	}
	if now.Before(c.ackAt) && c.stats.DatagramsIn-c.ackFrom < most-1 {
		c.wake(c.ackAt)
		return false
	}
	c.ackAt = time.Time{}
	return true
}

// probe sends tail probes, which may exceed the window.
func (c *Conn) probe(now time.Time) {
	t, sent := c.ticks(now), 0
	for _, ch := range c.active {
		for ch.core.Urgent() {
			n := c.out.send(c, ch, t)
			if n == 0 {
				break
			}
			sent += n
		}
	}
	if sent > 0 {
		c.congest.OnSent(c.clock, sent, c.bytesInFlight())
	}
}

func (c *Conn) bytesInFlight() (n int) {
	for _, ch := range c.active {
		n += ch.core.BytesInFlight()
	}
	return n
}

// hear notes what segments or a timer told about the path.
func (c *Conn) hear(f arq.Feedback) {
	c.heard.Acked += f.Acked
	c.stats.Arrived += uint64(f.Acked)
	c.heard.Lost += f.Lost
	c.heard.Spurious += f.Spurious
	c.heard.Recovered += f.Recovered
	c.heard.Timeout = c.heard.Timeout || f.Timeout
	c.heard.LongAcked = c.heard.LongAcked || f.LongAcked
	c.heard.LongLost = c.heard.LongLost || f.LongLost
	if f.RTT > 0 {
		c.heard.RTT, c.heard.OneWay, c.heard.HasOneWay = f.RTT, f.OneWay, f.HasOneWay
	}
}

// judge tells congestion control what was heard.
func (c *Conn) judge(now time.Time) {
	h := c.heard
	c.heard = arq.Feedback{}
	at := c.at(now)
	if h.Acked > 0 || h.RTT > 0 {
		c.congest.OnAck(at, cc.Ack{
			Bytes: h.Acked, RTT: duration(h.RTT), OneWay: duration(h.OneWay), HasOneWay: h.HasOneWay,
		})
	}
	if h.Lost > 0 {
		c.congest.OnLost(at, h.Lost)
	}
	if h.Recovered > 0 {
		c.congest.OnRecovered(at, h.Recovered)
	}
	if h.Spurious > 0 {
		c.congest.OnSpurious(at, h.Spurious)
	}
	if h.Acked > 0 || h.Lost > 0 {
		c.protect(h, now)
		if c.mtu.heard(h.LongAcked, h.LongLost, duration(c.rtt.Smoothed()), now) {
			c.shrink(now)
		}
	}
	if c.ep.observed() {
		if h.Lost > 0 || h.Spurious > 0 {
			c.tell(now, LossDetected{Bytes: h.Lost, Spurious: h.Spurious, Timeout: h.Timeout})
		}
		c.tellWindow(now)
	}
	if h.Acked > 0 {
		p := c.ep.pacing
		p.mu.Lock()
		p.pacer.OnDelivered(p.at(at), h.Acked, c.congest.Estimates())
		c.congest.SetLine(p.pacer.LineQueue())
		p.mu.Unlock()
	}
}

// arm sets the timer for the channels, and lets go of those that have nothing left to do.
func (c *Conn) arm() {
	kept := c.active[:0]
	var next arq.Time
	for _, ch := range c.active {
		if ch.core.Idle() {
			ch.active = false
			continue
		}
		kept = append(kept, ch)
		if at := ch.core.Deadline(); at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	clear(c.active[len(kept):])
	c.active = kept
	if next != 0 {
		c.wake(c.ep.timeOf(next))
	}
}

// poll gives the time to the channels' cores.
func (c *Conn) poll(now time.Time) {
	t := c.ticks(now)
	for _, ch := range c.active {
		if at := ch.core.Deadline(); at != 0 && at <= t {
			c.hear(ch.core.OnTimer(t))
		}
	}
	c.judge(now)
}
