// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// uplink estimates what the host's line carries, from what all sessions together deliver.
type uplink struct {
	filter  rateFilter
	line    rateFilter    // of intervals in which the line was full
	since   time.Duration // begin of the interval
	bytes   int
	full    bool          // a session that had more to send saw a queue in this interval
	lastOne time.Duration // when one last did; 0: never
}

// OnDelivered is called for each batch of acknowledgements of any session, with the queueing delay that its
// controller sees and whether its window is what limits it.
func (p *Pacer) OnDelivered(now time.Duration, bytes int, queue time.Duration, limited bool) {
	p.uplink.advance(now)
	p.uplink.bytes += bytes
	if limited && queue > fullQueue {
		p.uplink.full, p.uplink.lastOne = true, now
	}
}

// Uplink is the estimate of what the host's line carries, in bytes per second; 0 before there is one. It is
// too low as long as the host has never had more to send than the line carries.
func (p *Pacer) Uplink() float64 { return p.uplink.filter.max() }

func (u *uplink) advance(now time.Duration) {
	elapsed, interval := now-u.since, uplinkInterval
	if u.full && u.line.max() == 0 {
		interval /= 2 // the first bound is wanted soon
	}
	if elapsed < interval {
		return
	}
	// A longer pause says nothing of the line.
	if u.bytes > 0 && elapsed < 2*uplinkInterval {
		rate := float64(u.bytes) / elapsed.Seconds()
		u.filter.add(now, rate, u.full)
		if u.full {
			u.line.add(now, rate, true)
		}
	}
	u.since, u.bytes, u.full = now, 0, false
}

// bound is the rate that keeps sessions which begin or burst at the same time from filling the queue before
// their controllers see it. It holds while there is a queue: without one, the line may well be able to do more. So it may
// where sessions had no more to send than what was delivered, and the queue is other traffic's, or a busy host's.
func (u *uplink) bound() float64 {
	if u.lastOne == 0 || u.since-u.lastOne > uplinkMemory {
		return 0
	}
	return uplinkHeadroom * u.line.max()
}
