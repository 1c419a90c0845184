// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import "p2plive/libnet/rudp/internal/arq"

// lossMeter is the share of a session's datagrams that its path loses: the mean of all, and once there have been
// lossMemory of them that of the newest. The one of congestion control forgets sooner, and forgets what it has reacted to.
type lossMeter struct {
	share float64
	seen  float64 // datagrams
}

// add takes bytes that have arrived or are lost; what was held to be lost and is not, is a loss below zero.
func (m *lossMeter) add(arrived, lost int) {
	n := float64(arrived+lost) / MaxDatagram
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

// protect decides which channels send parity segments. The caller holds c.mu.
func (c *Conn) protect() {
	if c.loss.share == 0 && !c.protecting {
		return
	}
	pays := redundancyLoss
	if c.protecting {
		pays /= 4 // so that it does not come and go
	}
	path := c.congest.Estimates()
	c.protecting = c.loss.share >= pays && path.Queue < redundancyQueue && path.RTT >= redundancyRTT
	share := 0.0
	if c.protecting {
		share = redundancy(c.loss.share)
	}
	if share == c.protection {
		return
	}
	c.protection = share
	for _, ch := range c.channels {
		ch.protect()
	}
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
	ch.core.SetRedundancy(ch.conn.protection)
}

// account takes what was heard of losses.
func (c *Conn) account(f arq.Feedback) {
	c.loss.add(f.Acked-f.Recovered, f.Lost+f.Recovered-f.Spurious)
	c.protect()
}
