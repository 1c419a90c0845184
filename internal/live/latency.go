// SPDX-License-Identifier: GPL-3.0-or-later

package live

import "time"

// latencyBuckets of one millisecond each: what is slower counts as the last.
const latencyBuckets = 10_000

// Latency is a histogram of delays in milliseconds, of fixed size.
type Latency struct {
	buckets []uint32
	count   int
}

// Add counts one delay. Negative ones, from clocks that differ, count as 0.
func (l *Latency) Add(d time.Duration) {
	if l.buckets == nil {
		l.buckets = make([]uint32, latencyBuckets)
	}
	l.buckets[min(max(d.Milliseconds(), 0), latencyBuckets-1)]++
	l.count++
}

// Merge adds all delays of another histogram.
func (l *Latency) Merge(other *Latency) {
	if l.buckets == nil {
		l.buckets = make([]uint32, latencyBuckets)
	}
	for i, n := range other.buckets {
		l.buckets[i] += n
	}
	l.count += other.count
}

// Subtract takes away the delays of an earlier state of the same histogram.
func (l *Latency) Subtract(earlier *Latency) {
	for i, n := range earlier.buckets {
		l.buckets[i] -= n
	}
	l.count -= earlier.count
}

// Clone returns an independent copy.
func (l *Latency) Clone() *Latency {
	c := &Latency{}
	c.Merge(l)
	return c
}

// Percentile returns the delay in milliseconds that a share q (0 to 1) of
// those counted did not exceed; 0 if none was counted.
func (l *Latency) Percentile(q float64) int {
	rank := int(q * float64(l.count))
	for ms, n := range l.buckets {
		if rank -= int(n); rank < 0 {
			return ms
		}
	}
	if l.count > 0 {
		return l.highest()
	}
	return 0
}

func (l *Latency) highest() int {
	for ms := len(l.buckets) - 1; ms > 0; ms-- {
		if l.buckets[ms] > 0 {
			return ms
		}
	}
	return 0
}
