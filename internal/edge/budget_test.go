// SPDX-License-Identifier: GPL-3.0-or-later

package edge

import (
	"testing"
	"time"
)

// TestMeter takes rates over two seconds, however often it is asked.
func TestMeter(t *testing.T) {
	for _, every := range []time.Duration{500 * time.Millisecond, 2 * time.Second} {
		var m meter
		at := time.Unix(1_800_000_000, 0)
		if got := m.add(at, 0); got != 0 {
			t.Errorf("every %v: %d kbit/s from one sample", every, got)
		}
		const byteRate = 125_000 // 1 Mbit/s
		bytes := uint64(0)
		for range 20 {
			at = at.Add(every)
			bytes += uint64(byteRate * every.Seconds())
			if got := m.add(at, bytes); got != 1000 {
				t.Errorf("every %v: %d kbit/s", every, got)
			}
		}
		if len(m.samples) > 6 {
			t.Errorf("every %v: %d samples are kept", every, len(m.samples))
		}
		// It stops: two seconds later nothing is left of it.
		for range 5 {
			at = at.Add(every)
			m.add(at, bytes)
		}
		if got := m.add(at.Add(every), bytes); got != 0 {
			t.Errorf("every %v: %d kbit/s after the end", every, got)
		}
	}
}

func TestBudgetKbps(t *testing.T) {
	for limit, want := range map[int64]uint32{0: 0, -1: 0, 1: 1, 5_000_000: 5000, 1 << 62: 1<<32 - 1} {
		if got := budgetKbps(limit); got != want {
			t.Errorf("%d: %d", limit, got)
		}
	}
}
