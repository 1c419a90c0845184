// SPDX-License-Identifier: GPL-3.0-or-later

package arq

// Estimator keeps the round trip's mean and variation (RFC 6298) and its minimum. Conversations on one path share one.
type Estimator struct {
	smoothed, variation Time
	latest              Time
	least1, least2      Time // of this and of the last interval
	since               Time
}

// Sample takes a measured round trip.
func (e *Estimator) Sample(rtt, now Time) {
	rtt = max(rtt, 1)
	e.latest = rtt
	if e.smoothed == 0 {
		e.smoothed, e.variation, e.since = rtt, rtt/2, now
	} else {
		e.variation += (max(rtt-e.smoothed, e.smoothed-rtt) - e.variation) / 4
		e.smoothed += (rtt - e.smoothed) / 8
		e.smoothed = max(e.smoothed, 1)
	}
	if now-e.since >= minRTTInterval {
		e.least2, e.least1, e.since = e.least1, 0, now
	}
	if e.least1 == 0 || rtt < e.least1 {
		e.least1 = rtt
	}
}

// Smoothed is the mean; zero before the first sample.
func (e *Estimator) Smoothed() Time { return e.smoothed }

// Least is the minimum of the last 10 to 20 s; zero before the first sample.
func (e *Estimator) Least() Time {
	if e.least1 == 0 || (e.least2 != 0 && e.least2 < e.least1) {
		return e.least2
	}
	return e.least1
}

// probeTimeout is when acknowledgements have stayed away for longer than they ever do. A peer acknowledges
// each batch at once, so it is less than the two round trips of RFC 8985.
func (e *Estimator) probeTimeout(l Level) Time {
	if e.smoothed == 0 {
		return initialTimeout
	}
	return e.bounded(e.smoothed + max(4*e.variation, e.smoothed/4, l.granularity()))
}

// timeout is the RTO after so many timeouts without an answer.
func (e *Estimator) timeout(l Level, backoff int) Time {
	rto := initialTimeout
	if e.smoothed != 0 {
		rto = e.smoothed + max(4*e.variation, e.smoothed/2, 2*l.granularity())
	}
	for range min(backoff, 16) {
		if l == Fast {
			rto += rto / 2
		} else {
			rto *= 2
		}
	}
	return e.bounded(rto)
}

// bounded is a timeout that is no longer than what may pass without a word.
func (e *Estimator) bounded(t Time) Time { return min(t, max(maxTimeout, 2*e.smoothed)) }
