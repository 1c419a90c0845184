// SPDX-License-Identifier: GPL-3.0-or-later

package agent

import (
	"math/bits"
	"time"
)

const (
	// delayUnit is the width of the finest buckets.
	delayUnit = 50 * time.Microsecond
	// delaySteps buckets double the delay: one is within 6% of what fell into it.
	delaySteps   = 16
	delayOctaves = 20 // up to about a minute and a half; the last bucket takes what is beyond
	delayBuckets = delaySteps * delayOctaves
)

// Delays counts messages by their delay, in buckets whose width grows with the delay.
type Delays []uint64

// delayBucket is linear up to delaySteps units, then delaySteps to each doubling.
func delayBucket(d time.Duration) int {
	units := uint64(max(0, d) / delayUnit)
	octave := max(0, bits.Len64(units)-bits.Len64(delaySteps-1)) // how often units must be halved to be a step
	if octave == 0 {
		return int(units)
	}
	return min(octave*delaySteps+int(units>>(octave-1))-delaySteps, delayBuckets-1)
}

// delayLimit is the end of a bucket.
func delayLimit(bucket int) time.Duration {
	octave, step := bucket/delaySteps, bucket%delaySteps
	if octave == 0 {
		return time.Duration(step+1) * delayUnit
	}
	return time.Duration(delaySteps+step+1) << (octave - 1) * delayUnit
}

// Quantile is the delay within which the share q of the messages came, at most 6% too long; zero when
// there is none.
func (d Delays) Quantile(q float64) time.Duration {
	var total uint64
	for _, n := range d {
		total += n
	}
	rest := float64(total) * q
	for i, n := range d {
		rest -= float64(n)
		if n > 0 && rest <= 0 {
			return delayLimit(i)
		}
	}
	return 0
}

func (d Delays) since(earlier Delays) Delays {
	diff := make(Delays, len(d))
	for i := range d {
		diff[i] = d[i] - earlier[i]
	}
	return diff
}
