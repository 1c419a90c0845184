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

// flush sends all that there is to say, and as much data as congestion control lets. The caller holds c.mu.
func (c *Conn) flush(now time.Time) {
	for _, ch := range c.active {
		c.out.control(c, ch)
	}
	c.fill(now)
	c.writeOut()
	c.arm()
}

// fill sends data: tail probes first, then from channels in turn.
func (c *Conn) fill(now time.Time) {
	t := c.ticks(now)
	inFlight, sent := c.bytesInFlight(), 0
	send := func(ch *Channel) int {
		before := ch.core.BytesInFlight()
		n := c.out.send(c, ch, t)
		inFlight += ch.core.BytesInFlight() - before
		sent += n
		return n
	}
	for _, ch := range c.active {
		for ch.core.Urgent() && send(ch) > 0 {
		}
	}
	for c.congest.CanSend(inFlight) {
		ch := c.turn(t)
		if ch == nil {
			break
		}
		// Several segments in a turn: messages of several channels are not cut up needlessly.
		took := 0
		for took < quantum && ch.core.Ready(t) && c.congest.CanSend(inFlight) {
			n := send(ch)
			if n == 0 {
				break
			}
			took += n
		}
		if took == 0 {
			break
		}
		ch.spent += uint64(took) * maxWeight / uint64(ch.level.weight())
	}
	if sent > 0 {
		c.congest.OnSent(c.clock, sent, inFlight)
	}
}

// turn gives the channel that may send next: of the most urgent class that has something, the one that has had least
// for its weight.
func (c *Conn) turn(t arq.Time) *Channel {
	var next *Channel
	for _, ch := range c.active {
		if next != nil && (ch.class > next.class || ch.class == next.class && ch.spent >= next.spent) {
			continue
		}
		if ch.core.Ready(t) {
			next = ch
		}
	}
	return next
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
	c.heard.Lost += f.Lost
	c.heard.Spurious = c.heard.Spurious || f.Spurious
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
