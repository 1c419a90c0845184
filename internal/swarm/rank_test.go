// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"p2plive/internal/wire"
)

// TestHome shows that homes are dealt evenly, whatever the ids look like.
func TestHome(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	ids := map[string]func(i int) uint64{
		"random":  func(int) uint64 { return rng.Uint64() },
		"in turn": func(i int) uint64 { return uint64(i) },
		"on top":  func(i int) uint64 { return uint64(i) << 32 },
	}
	for name, id := range ids {
		for k := 2; k <= wire.MaxSubstreams; k++ {
			const n = 8000
			counts := make([]int, k)
			for i := range n {
				var p wire.PathID
				binary.BigEndian.PutUint64(p[:], id(i))
				counts[home(p, 1, k)]++
			}
			for _, c := range counts {
				if c < n/k*85/100 || c > n/k*115/100 {
					t.Errorf("%s, %d trees: %v", name, k, counts)
					break
				}
			}
		}
	}
}

// TestTightUplinks has lines of 1.5 times the stream. Only wide trees, with
// each viewer an inner node in one of them, are quick then, and no orphan is
// left over.
func TestTightUplinks(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 101, hd)
	w.latency = func(a, b *simPeer) time.Duration { return 25 * time.Millisecond }
	viewers := w.join(60, 8*time.Second, func(c *Config) { c.Uplink = 3_900_000 })
	w.run(14 * time.Second)
	w.count()
	w.run(18 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
	home, all := 0, 0
	for _, p := range viewers {
		s := p.m.Stats()
		if s.Attached != s.Trees || s.Depth > 8 {
			t.Errorf("%+v", s)
		}
		for _, tr := range p.m.trees {
			all += tr.staying()
			if tr.isHome(p.m.short) {
				home += tr.staying()
			}
		}
	}
	if home*100 < all*70 {
		t.Errorf("%d of %d children are in their parent's home tree", home, all)
	}
}

// TestHalfLeaves takes half of the viewers away without a word, with little
// uplink to spare. Those that are left give the dead children's share of it to
// the orphans before a second is over.
func TestHalfLeaves(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 102, hd)
	w.latency = func(a, b *simPeer) time.Duration { return 15 * time.Millisecond }
	viewers := w.join(60, 6*time.Second, func(c *Config) { c.Uplink = 5_000_000 })
	w.run(12 * time.Second)
	w.count()
	for i := 0; i < len(viewers); i += 2 {
		viewers[i].kill()
	}
	w.run(18 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n > 2 {
		t.Errorf("%d fragments missed", n)
	}
}

// TestOneCopyPerLAN has eight viewers behind each router.
func TestOneCopyPerLAN(t *testing.T) {
	t.Parallel()
	const size = 8
	w, _ := stream(t, 103, clip)
	lan := map[*simPeer]int{}
	w.mates = func(a, b *simPeer) bool { return lan[a] == lan[b] }
	w.latency = func(a, b *simPeer) time.Duration {
		if lan[a] > 0 && w.mates(a, b) {
			return 300 * time.Microsecond
		}
		return 15 * time.Millisecond
	}
	for i := range 5 * size {
		p := w.add(wire.RoleViewer, nil)
		lan[p] = 1 + i/size
		w.at(w.now+time.Duration(i)*100*time.Millisecond, p.start)
	}
	w.run(20 * time.Second)
	w.report()
	w.complete()
	entering, trees := 0, 0
	for p := range lan {
		for _, tr := range p.m.trees {
			trees++
			if tr.parent == nil || !w.mates(p, w.byID[tr.parent.id()]) {
				entering++
			}
		}
	}
	if copies := float64(entering) * size / float64(trees); copies > 1.3 {
		t.Errorf("%.2f copies enter each LAN", copies)
	}
}
