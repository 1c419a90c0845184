// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"math/rand/v2"
	"testing"

	"p2plive/internal/wire"
)

// TestSetRing compares a ring with a plain map of what it should know.
func TestSetRing(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	var ring setRing
	size := 32
	type piece struct {
		seq   wire.Seq
		index uint16
	}
	want := map[piece]bool{}
	newest := wire.Seq(1000)
	for range 50_000 {
		switch rng.IntN(200) {
		case 0:
			newest += wire.Seq(rng.IntN(3 * size)) // a gap
		case 1:
			size = min(size+rng.IntN(8), wire.MaxHave)
		}
		newest += wire.Seq(rng.IntN(2))
		p := piece{newest - wire.Seq(rng.IntN(2*size)), uint16(rng.IntN(wire.MaxPieces))}
		if !ring.touch(p.seq, size) {
			if covered, late := ring.covers(p.seq); covered || !late {
				t.Fatalf("fragment %d has no place, and is not late", p.seq)
			}
			continue
		}
		set := ring.set(p.seq)
		if set.has(p.index) != want[p] {
			t.Fatalf("%+v: %v, want %v", p, set.has(p.index), want[p])
		}
		set.add(p.index)
		ring.put(p.seq, set)
		want[p] = true
		for old := range want {
			if old.seq+wire.Seq(len(ring.low)) <= ring.newest {
				delete(want, old)
			}
		}
	}
}
