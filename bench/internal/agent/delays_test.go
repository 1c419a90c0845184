// SPDX-License-Identifier: GPL-3.0-or-later

package agent

import (
	"testing"
	"time"
)

// TestDelayBuckets: buckets follow each other without a hole, and none is wider than a sixteenth.
func TestDelayBuckets(t *testing.T) {
	from := time.Duration(0)
	for i := range delayBuckets {
		limit := delayLimit(i)
		if got := delayBucket(from); got != i {
			t.Fatalf("delay %v is in bucket %d, want %d", from, got, i)
		}
		if got := delayBucket(limit - 1); got != i {
			t.Fatalf("delay %v is in bucket %d, want %d", limit-1, got, i)
		}
		if width := limit - from; width > delayUnit && width > from/delaySteps {
			t.Errorf("bucket %d from %v is %v wide", i, from, width)
		}
		from = limit
	}
	if got := delayBucket(time.Hour); got != delayBuckets-1 {
		t.Errorf("an hour is in bucket %d, want the last", got)
	}
}

func TestQuantile(t *testing.T) {
	var m meter
	for i := range 1000 {
		m.received(1, time.Duration(i)*time.Millisecond)
	}
	d := m.sample().Delays
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0.5, 500 * time.Millisecond}, {0.99, 990 * time.Millisecond}} {
		if got := d.Quantile(c.q); got < c.want*95/100 || got > c.want*107/100 {
			t.Errorf("quantile %v is %v, want about %v", c.q, got, c.want)
		}
	}
	if got := (Delays{}).Quantile(0.99); got != 0 {
		t.Errorf("quantile of nothing is %v, want 0", got)
	}
}
