// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/rudp/internal/cc"
)

// lossMeter is the share of a session's datagrams that its path loses: the mean of all, and once there have been
// lossMemory of them that of the newest. The one of congestion control forgets sooner, and forgets what it has reacted to.
type lossMeter struct {
	share float64
	seen  float64 // datagrams
}

// add takes bytes that have arrived or are lost; what was held to be lost and is not, is a loss below zero.
func (m *lossMeter) add(arrived, lost int) {
	n := float64(arrived+lost) / BaseDatagram
	if n <= 0 {
		return
	}
	m.seen = min(m.seen+n, lossMemory)
	m.share += (float64(lost)/float64(arrived+lost) - m.share) * n / (m.seen + lossPrior)
	m.share = max(m.share, 0)
}

// redundancy is which share of new bytes parity segments and repetitions may take together, when a path loses that much.
func redundancy(loss float64) float64 {
	if loss < lightLoss {
		return lightRedundancy
	}
	return min(leastRedundancy+redundancySlope*max(loss-heavyLoss, 0), mostRedundancy)
}

// guard decides which share of new bytes a session may spend so.
type guard struct {
	loss  lossMeter
	on    bool    // parity segments pay
	share float64 // zero: there are none
	after time.Time
	pause time.Duration // the last one before after
}

// judge looks at what the path is like, and tells whether the share has changed. Where the line is scarce others need
// what parity segments would take.
func (g *guard) judge(path cc.Estimates, scarce bool, now time.Time) bool {
	if g.loss.share == 0 && !g.on {
		return false
	}
	if g.on && path.Queue >= redundancyQueue {
		// It may be of our own making: the line has no room for more. The longer that is so, the less often it is tried.
		if now.Sub(g.after) > maxRedundancyPause {
			g.pause = 0
		}
		g.pause = min(max(2*g.pause, redundancyPause), maxRedundancyPause)
		g.after = now.Add(g.pause)
	}
	pays := redundancyLoss
	if g.on {
		pays /= 4 // so that it does not come and go
	}
	g.on = !scarce && g.loss.share >= pays && path.Queue < redundancyQueue && path.RTT >= redundancyRTT && !now.Before(g.after)
	share := 0.0
	if g.on {
		share = redundancy(g.loss.share)
	}
	changed := share != g.share
	g.share = share
	return changed
}

// protect makes the channel send as many parity segments as its session has decided on, if it carries what must not be
// late. The caller holds Conn.mu.
func (ch *Channel) protect() {
	if ch.core == nil {
		return
	}
	if ch.level == Slow || ch.class > Newest {
		ch.core.SetRedundancy(0)
		return
	}
	ch.core.SetRedundancy(ch.conn.guard.share)
}

// protect takes what was heard of losses. The caller holds c.mu.
func (c *Conn) protect(f arq.Feedback, now time.Time) {
	c.guard.loss.add(f.Acked-f.Recovered, f.Lost+f.Recovered-f.Spurious)
	if !c.guard.judge(c.congest.Estimates(), c.ep.scarce.Load(), now) {
		return
	}
	for _, ch := range c.channels {
		ch.protect()
	}
}
