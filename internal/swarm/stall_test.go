// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"testing"
	"time"
)

// TestNoStallWhileTreesForm lets a small audience come at once or one by one,
// over links whose delay varies, with uplinks that are ample. Whatever moves in
// the trees then, nobody's player runs dry.
func TestNoStallWhileTreesForm(t *testing.T) {
	t.Parallel()
	for _, over := range []time.Duration{10 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
		for seed := range uint64(20) {
			w, _ := stream(t, 100+seed, clip)
			w.latency = func(a, b *simPeer) time.Duration {
				return 200*time.Microsecond + time.Duration(w.rng.IntN(3000))*time.Microsecond
			}
			w.join(10, over, nil)
			w.run(20 * time.Second)
			stalls := 0
			for i, p := range w.viewers() {
				n, stalled := p.player.Stalls()
				stalls += n
				if n > 0 {
					t.Logf("over %v, seed %d: viewer %d: %d stalls, %v; %v", over, seed, i, n, stalled, p.stallTimes)
				}
			}
			if stalls > 0 {
				t.Errorf("over %v, seed %d: %d stalls", over, seed, stalls)
				w.report()
			}
		}
	}
}
