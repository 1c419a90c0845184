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
	rate    float64       // of the last interval

	slot, last slot // of delays, the present one and the one before
	draining   bool // the line's queue is too long
}

// slot is the least delay that sessions saw in some time.
type slot struct {
	since   time.Duration
	samples int
	least   time.Duration
}

func (s *slot) add(delay time.Duration) {
	if s.samples == 0 || delay < s.least {
		s.least = delay
	}
	s.samples++
}

// OnDelivered is called for each batch of acknowledgements of any session, with what its controller knows of the path.
func (p *Pacer) OnDelivered(now time.Duration, bytes int, path Estimates) {
	p.uplink.advance(now)
	p.uplink.bytes += bytes
	p.uplink.rtt = max(p.uplink.rtt, path.MinRTT)
	if path.Queue > fullQueue {
		p.uplink.full, p.uplink.lastOne = true, now
	}
	p.uplink.seen(now, path.Delay)
}

// LineQueue is how long datagrams wait for a line that is known: what all sessions see, and what the pacer drains. 0 on
// one that is not: there each session answers for what it sees.
func (p *Pacer) LineQueue() time.Duration {
	if p.line == 0 {
		return 0
	}
	return p.uplink.queue()
}

// seen takes the delay of a session's newest packet.
func (u *uplink) seen(now, delay time.Duration) {
	if elapsed := now - u.slot.since; elapsed >= slotMost || elapsed >= slotLeast && u.slot.samples >= slotSamples {
		u.last, u.slot = u.slot, slot{since: now}
		if elapsed >= 2*slotMost {
			u.last = slot{}
		}
	}
	u.slot.add(delay)
	q := u.queue()
	u.draining = q > drainFrom || u.draining && q > drainTo
}

// queue is the least delay of the last slot and of the present one.
func (u *uplink) queue() time.Duration {
	if u.last.samples == 0 || u.slot.samples > 0 && u.slot.least < u.last.least {
		return u.slot.least
	}
	return u.last.least
}

// drain is the rate at which a queue of a known line that is too long goes away; 0: there is none.
func (u *uplink) drain(line float64) float64 {
	if line == 0 || !u.draining || u.rate == 0 {
		return 0
	}
	return max(u.rate*(1-min(float64(u.queue())/float64(drainTime), drainMost)), drainLeast*line)
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
		u.rate = float64(u.bytes) / elapsed.Seconds()
		u.filter.add(now, u.rate, u.full)
	}
	if u.bytes == 0 {
		u.slot, u.last, u.draining = slot{since: now}, slot{}, false
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
