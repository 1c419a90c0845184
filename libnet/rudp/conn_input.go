// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"strings"
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// receive takes a data datagram for this session. It tells whether endBatch must follow. The caller holds c.mu.
func (c *Conn) receive(b []byte, low uint32, from Path, now time.Time) bool {
	switch c.state {
	case stateOpen, stateHalfOpen, stateClosing:
	default:
		c.ep.counters.unknownSession.Add(1)
		return false
	}
	counter := c.replay.whole(low)
	if !c.replay.fresh(counter) {
		c.ep.counters.replayed.Add(1)
		return false
	}
	epoch := c.keys.recv.epoch
	frames, err := c.keys.recv.open(b, counter)
	if err != nil {
		c.ep.counters.unauthentic.Add(1)
		return false
	}
	c.replay.accept(counter)
	if c.ep.observed() && c.keys.recv.epoch != epoch {
		c.tell(now, Rekeyed{Epoch: c.keys.recv.epoch})
	}
	c.stats.DatagramsIn++
	c.stats.WireIn += uint64(len(b))
	if c.state == stateClosing {
		if c.farewell.answers < closeAnswers && !isClose(frames) {
			c.farewell.answers++
			c.sendFarewell()
		}
		return false
	}
	c.beat(now)
	c.lastRecv, c.confirmed = now, true
	if c.state == stateHalfOpen && !c.prove(now) {
		return false
	}
	probe := c.takeFrames(frames, from, now)
	if c.state != stateOpen {
		return false
	}
	// Only the newest datagram tells where the peer is: one that was held up and sent on by somebody else does not. Nor
	// does one that only tries a path.
	if from != c.path && !probe && counter+1 == c.replay.next && len(b) >= challengeLen && now.After(c.settled) {
		c.challenge(from, now)
	}
	return true
}

// prove opens a session whose initiator has just sent its first sealed datagram.
func (c *Conn) prove(now time.Time) bool {
	c.state = stateOpen
	if err := c.ep.promote(c); err != nil {
		c.ep.counters.handshakesRefused.Add(1)
		c.endHere(&CloseError{Code: CodeBusy, Reason: err.Error()}, CodeBusy, err.Error())
		return false
	}
	if c.ep.observed() {
		c.tellUp(now, false)
	}
	c.ping(now) // a first round trip for the window
	c.wake(c.askAt())
	return true
}

// beat learns how regularly the peer sends. Datagrams of one burst count as one.
func (c *Conn) beat(now time.Time) {
	if gap := now.Sub(c.lastRecv); gap >= burstGap {
		c.rhythm += (min(gap, time.Duration(c.ep.keep.interval.Load())) - c.rhythm) / 8
	}
}

func isClose(frames []byte) bool { return len(frames) > 0 && frames[0] == frameClose }

// takeFrames takes a datagram's frames. It tells whether there was nothing but what tries a path.
func (c *Conn) takeFrames(b []byte, from Path, now time.Time) (probe bool) {
	answered, length := false, len(b)
	probe = true
	for len(b) > 0 {
		f, rest, err := nextFrame(b)
		if err != nil {
			c.ep.counters.malformed.Add(1)
			return probe
		}
		b = rest
		probe = probe && (f.kind == framePadding || f.kind == frameChallenge || f.kind == frameResponse)
		switch f.kind {
		case frameSegments:
			if c.takeSegments(f.channel, f.body, now); c.state != stateOpen {
				return false
			}
		case frameHead, frameTail:
			if c.takePart(f, now); c.state != stateOpen {
				return false
			}
		case framePing:
			if !answered { // one datagram gets one pong: no multiplying
				answered = true
				appendPing(c.out.reserve(c, pingLen)[:0], framePong, f.token)
			}
		case framePong:
			if c.mtu.answered(f.token, c.stats.BytesOut, now) {
				c.resize(now)
				break
			}
			rtt := now.Sub(c.ep.start) - time.Duration(f.token)
			if rtt > 0 && rtt < c.ep.cfg.IdleTimeout {
				c.measured(rtt, now)
			}
		case frameChallenge:
			if !answered { // where it came from, and as long: it is that path that is tried, in both directions
				answered = true
				c.sendApart(from, frameResponse, f.token, length)
			}
		case frameResponse:
			if !c.answer(f.token, from, now) {
				c.arrive(f.token, from, now)
			}
		case frameClose:
			c.end(&CloseError{Code: f.code, Reason: strings.ToValidUTF8(string(f.body), "?"), Remote: true})
			return false
		}
	}
	return probe
}

// takeSegments feeds segments to their channel's core. What they cause waits for endBatch.
func (c *Conn) takeSegments(id ChannelID, b []byte, now time.Time) {
	ch := c.channel(id)
	if ch == nil {
		c.ep.counters.malformed.Add(1) // the peer uses more channels than there are
		return
	}
	f, err := ch.core.Input(c.ticks(now), b)
	if err != nil {
		c.ep.counters.malformed.Add(1)
	}
	if ch.core.Violated() {
		c.endHere(&CloseError{Code: CodeProtocol, Reason: "contradicting fragments"}, CodeProtocol, "contradicting fragments")
		return
	}
	c.hear(f)
	c.activate(ch)
	if !ch.fed {
		ch.fed = true
		c.fed = append(c.fed, ch)
	}
}

// endBatch follows the last datagram of a batch: what it caused leaves together. It tells whether there is data to send.
func (c *Conn) endBatch(now time.Time) (offered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched = false
	if c.state == stateOpen {
		c.judge(now)
		offered = c.push(now)
	}
	for i, ch := range c.fed {
		ch.fed, c.fed[i] = false, nil
		ch.markReady()
		ch.markWritable()
	}
	c.fed = c.fed[:0]
	return offered
}

// measured takes a round trip that a pong has measured.
func (c *Conn) measured(rtt time.Duration, now time.Time) {
	micros := max(arq.Time(rtt/time.Microsecond), 1)
	c.rtt.Sample(micros, c.ticks(now))
	c.hear(arq.Feedback{RTT: micros})
}

// ping asks the peer for a sign of life that measures the round trip.
func (c *Conn) ping(now time.Time) {
	if !c.asked.After(c.lastRecv) {
		c.asked = now
	}
	c.lastPing = now
	appendPing(c.out.reserve(c, pingLen)[:0], framePing, uint64(now.Sub(c.ep.start)))
}

// sendFarewell sends the close datagram once.
func (c *Conn) sendFarewell() {
	n := closeHeaderLen + len(c.farewell.reason)
	appendClose(c.out.reserve(c, n)[:0], c.farewell.code, c.farewell.reason)
	c.writeOut()
}
