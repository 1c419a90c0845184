// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"slices"
	"testing"
	"time"
)

// TestBound compares with values computed independently: 4 Mbit/s, pieces of
// 16 KiB, 25 ms a hop, an edge of 8 copies.
func TestBound(t *testing.T) {
	t.Parallel()
	const copies = 8
	slot := float64(16<<10*8) / 4e6 * float64(time.Second)
	tests := map[float64][]time.Duration{ // by uplink, in streams: 10^3, 10^4, 10^5, 10^6 viewers
		1:   {383, 527, 675, 822},
		1.5: {298, 406, 514, 623},
		2:   {255, 343, 433, 523},
		4:   {186, 244, 302, 363},
	}
	for uplink, want := range tests {
		n := 1000
		for _, ms := range want {
			viewers := slices.Repeat([]time.Duration{time.Duration(slot / uplink)}, n)
			b := lowerBound(viewers, sends{copies, time.Duration(slot / copies)}, 25*time.Millisecond)
			if got := b.Max.Round(time.Millisecond); got != ms*time.Millisecond {
				t.Errorf("uplink %g, %d viewers: %v, want %d ms", uplink, n, got, ms)
			}
			if b.P50 > b.P99 || b.P99 > b.Max {
				t.Errorf("uplink %g, %d viewers: %+v is not in order", uplink, n, b)
			}
			n *= 10
		}
	}
}

// TestBoundOfOneCopy has no latency and uplinks of one stream: the holders
// double in each slot.
func TestBoundOfOneCopy(t *testing.T) {
	t.Parallel()
	n := 1000
	for _, slots := range []time.Duration{11, 15, 18, 21} {
		viewers := slices.Repeat([]time.Duration{time.Second}, n)
		if b := lowerBound(viewers, sends{1, time.Second}, 0); b.Max != slots*time.Second {
			t.Errorf("%d viewers: %v, want %d slots", n, b.Max, slots)
		}
		n *= 10
	}
}
