// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// baseFilter is the least sample of the last baseIntervals. Samples may be negative: differences of clocks.
type baseFilter struct {
	minima [baseIntervals]time.Duration
	used   [baseIntervals]bool
	at     int
	since  time.Duration // when the interval at began
	least  time.Duration
	have   bool
}

// add takes a sample and gives how far it is above the base.
func (b *baseFilter) add(now, sample time.Duration) time.Duration {
	if now-b.since >= baseInterval {
		b.advance(now)
	}
	if !b.used[b.at] || sample < b.minima[b.at] {
		b.minima[b.at], b.used[b.at] = sample, true
	}
	if !b.have || sample < b.least {
		b.least, b.have = sample, true
	}
	return sample - b.least
}

func (b *baseFilter) advance(now time.Duration) {
	steps := min(int((now-b.since)/baseInterval), baseIntervals)
	b.since = now - (now-b.since)%baseInterval
	for range steps {
		b.at = (b.at + 1) % baseIntervals
		b.used[b.at] = false
	}
	b.have = false
	for i, m := range b.minima {
		if b.used[i] && (!b.have || m < b.least) {
			b.least, b.have = m, true
		}
	}
}

// forget leaves nothing but the interval that has just begun.
func (b *baseFilter) forget() { *b = baseFilter{since: b.since} }

// rateFilter is the greatest rate of the last rateBuckets.
type rateFilter struct {
	maxima [rateBuckets]float64
	at     int
	since  time.Duration
}

// add takes a rate. One that the application limited says nothing but that the path can do as much.
func (r *rateFilter) add(now time.Duration, rate float64, limited bool) {
	r.advance(now)
	if limited || rate > r.max() {
		r.maxima[r.at] = max(r.maxima[r.at], rate)
	}
}

func (r *rateFilter) advance(now time.Duration) {
	steps := min(int((now-r.since)/rateBucket), rateBuckets)
	if steps <= 0 {
		return
	}
	r.since = now - (now-r.since)%rateBucket
	last := r.maxima[r.at]
	for range steps {
		r.at = (r.at + 1) % rateBuckets
		r.maxima[r.at] = 0
	}
	if r.max() == 0 {
		r.maxima[r.at] = last // a path that was not used keeps its last estimate
	}
}

func (r *rateFilter) max() float64 {
	m := 0.0
	for _, v := range r.maxima {
		m = max(m, v)
	}
	return m
}

// reset forgets all but this rate.
func (r *rateFilter) reset(now time.Duration, rate float64) {
	*r = rateFilter{since: now}
	r.maxima[0] = rate
}
