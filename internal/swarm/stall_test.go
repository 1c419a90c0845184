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

// TestHeldUp stops the machine that all peers run on. Nobody takes the others
// for dead or late because of it: no parent is left, and hardly a piece comes twice.
func TestHeldUp(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{200 * time.Millisecond, 450 * time.Millisecond, 1200 * time.Millisecond} {
		w, _, _ := settled(t, 70, 12, nil)
		before := w.moves()
		for range 5 {
			w.holdUp(d)
			w.run(w.now + 2*time.Second)
		}
		w.report()
		w.complete()
		if n := w.missed(); n != 0 {
			t.Errorf("pauses of %v: %d fragments missed", d, n)
		}
		if n := w.moves() - before; n != 0 {
			t.Errorf("pauses of %v: %d changes of a parent", d, n)
		}
		if dups := w.duplicates(); dups > 0.001 {
			t.Errorf("pauses of %v: duplicates %.4f", d, dups)
		}
	}
}

// moves returns how often a viewer has changed a parent.
func (w *world) moves() (n uint64) {
	for _, p := range w.viewers() {
		n += p.m.Stats().Moves.Total()
	}
	return n
}
