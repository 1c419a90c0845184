// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// uplink estimates what the host's line carries, from what all sessions together deliver.
type uplink struct {
	filter  rateFilter
	since   time.Duration // begin of the interval
	bytes   int
	rtt     time.Duration // greatest of the paths that delivered them
	full    bool          // a session saw a queue in this interval
	lastOne time.Duration // when one last did; 0: never
}

// OnDelivered is called for each batch of acknowledgements of any session, with what its controller knows of the path.
func (p *Pacer) OnDelivered(now time.Duration, bytes int, path Estimates) {
	p.uplink.advance(now)
	p.uplink.bytes += bytes
	p.uplink.rtt = max(p.uplink.rtt, path.MinRTT)
	if path.Queue > fullQueue {
		p.uplink.full, p.uplink.lastOne = true, now
	}
}

// Uplink is the estimate of what the host's line carries, in bytes per second; 0 before there is one. It is
// too low as long as the host has never had more to send than the line carries.
func (p *Pacer) Uplink() float64 { return p.uplink.filter.max() }

func (u *uplink) advance(now time.Duration) {
	elapsed, interval := now-u.since, u.interval()
	if elapsed < interval {
		return
	}
	// A longer pause says nothing of the line.
	if u.bytes > 0 && elapsed < 2*interval {
		u.filter.add(now, float64(u.bytes)/elapsed.Seconds(), u.full)
	}
	u.since, u.bytes, u.rtt, u.full = now, 0, 0, false
}

// interval is over what time a rate is taken. An estimate of times when there was little to send rises by uplinkHeadroom
// in each: on a short path, where a busy host's delays look like a queue, it would take too long to.
func (u *uplink) interval() time.Duration {
	if u.bytes == 0 {
		return uplinkInterval
	}
	return min(max(uplinkRounds*u.rtt, minUplinkInterval), uplinkInterval)
}

// bound is the rate that keeps sessions which begin or burst at the same time from filling the queue before
// their controllers see it. It holds while there is a queue: without one, the line may well be able to do more.
func (u *uplink) bound() float64 {
	if u.lastOne == 0 || u.since-u.lastOne > uplinkMemory {
		return 0
	}
	return uplinkHeadroom * u.filter.max()
}
