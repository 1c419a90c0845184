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
	count := func(seq wire.Seq) uint16 { // half of the fragments have one piece
		return uint16(max(int(seq*7%180)-90, 1))
	}
	for range 50_000 {
		switch rng.IntN(200) {
		case 0:
			newest += wire.Seq(rng.IntN(3 * size)) // a gap
		case 1:
			size = min(size<<rng.IntN(2), wire.MaxHave)
		}
		newest += wire.Seq(rng.IntN(2))
		seq := newest - wire.Seq(rng.IntN(2*size))
		p := piece{seq, uint16(rng.IntN(int(count(seq))))}
		if !ring.touch(seq, size) {
			if covered, late := ring.covers(seq); covered || !late {
				t.Fatalf("fragment %d has no place, and is not late", seq)
			}
			continue
		}
		if ring.has(seq, p.index) != want[p] {
			t.Fatalf("%+v: %v, want %v", p, ring.has(seq, p.index), want[p])
		}
		switch rng.IntN(8) {
		case 0:
			ring.remove(seq, p.index, count(seq))
			delete(want, p)
		case 1:
			ring.addAll(seq)
			for i := range count(seq) {
				want[piece{seq, i}] = true
			}
		default:
			if ring.add(seq, p.index, count(seq)) == want[p] {
				t.Fatalf("%+v is taken for new, or is not", p)
			}
			want[p] = true
		}
		for old := range want {
			if old.seq+wire.Seq(ring.size) <= ring.newest {
				delete(want, old)
			}
		}
	}
}
