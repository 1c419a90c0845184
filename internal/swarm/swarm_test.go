// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"testing"
	"time"

	"p2plive/internal/wire"
)

// stream starts a source and an edge and lets them run for two seconds.
func stream(t testing.TB, seed uint64, shape videoShape) (w *world, edge *simPeer) {
	w = newWorld(t, seed, shape)
	source := w.add(wire.RoleSource, nil)
	edge = w.add(wire.RoleEdge, nil)
	edge.start()
	source.start()
	w.run(2 * time.Second)
	return w, edge
}

func (w *world) join(n int, over time.Duration, change func(*Config)) []*simPeer {
	var list []*simPeer
	for i := range n {
		p := w.add(wire.RoleViewer, change)
		list = append(list, p)
		w.at(w.now+over*time.Duration(i)/time.Duration(n), p.start)
	}
	return list
}

func TestTenViewers(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 1, clip)
	w.join(10, 100*time.Millisecond, nil)
	w.run(32 * time.Second)
	w.report()
	w.complete()
	if w.missed() != 0 {
		t.Error("fragments missed")
	}
	if o := w.offload(); o < 0.80 {
		t.Errorf("offload with joins %.3f, want 0.80", o)
	}
	w.count()
	w.run(50 * time.Second)
	w.report()
	if o := w.offload(); o < 0.85 {
		t.Errorf("steady offload %.3f, want 0.85", o)
	}
	if d := w.duplicates(); d > 0.01 {
		t.Errorf("duplicates %.4f, want at most 0.01", d)
	}
}

func TestThreeHundredViewers(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 2, hd)
	w.latency = func(a, b *simPeer) time.Duration { return 25 * time.Millisecond }
	w.join(300, 2*time.Second, func(c *Config) { c.Window = 10 * time.Second })
	w.run(8 * time.Second)
	w.report()
	w.count()
	w.run(10 * time.Second)
	w.report()
	w.complete()
	if w.missed() != 0 {
		t.Error("fragments missed")
	}
	if o := w.offload(); o < 0.95 {
		t.Errorf("offload %.3f, want 0.95", o)
	}
}

// TestHomeLines has uplinks of 1.9 times the stream. Asking for pieces that
// wait in somebody's queue once made it collapse.
func TestHomeLines(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 5, hd)
	w.latency = func(a, b *simPeer) time.Duration { return 20 * time.Millisecond }
	w.join(60, 3*time.Second, func(c *Config) { c.Uplink = 5_000_000 })
	w.run(8 * time.Second)
	w.report()
	w.count()
	w.run(14 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
	if o, d := w.offload(), w.duplicates(); o < 0.95 || d > 0.02 {
		t.Errorf("offload %.3f, duplicates %.3f", o, d)
	}
}

// settled starts a stream with n viewers and lets the trees form.
func settled(t testing.TB, seed uint64, n int, change func(*Config)) (*world, *simPeer, []*simPeer) {
	w, edge := stream(t, seed, clip)
	w.latency = func(a, b *simPeer) time.Duration { return 15 * time.Millisecond }
	viewers := w.join(n, time.Second, change)
	w.run(10 * time.Second)
	w.count()
	return w, edge, viewers
}

func TestKillThird(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		w, _, viewers := settled(t, 10+seed, 45, nil)
		w.at(w.now+time.Second, func() {
			for i := 0; i < len(viewers); i += 3 {
				viewers[i].kill()
			}
		})
		w.run(18 * time.Second)
		w.report()
		w.complete()
		if n := w.missed(); n != 0 {
			t.Errorf("seed %d: %d fragments missed", seed, n)
		}
	}
}

func TestKillOneAfterAnother(t *testing.T) {
	t.Parallel()
	w, _, viewers := settled(t, 20, 12, nil)
	for i := range 6 {
		w.at(w.now+time.Duration(i)*2*time.Second, viewers[i].kill)
	}
	w.run(25 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
}

func TestLoss(t *testing.T) {
	t.Parallel()
	w, _, _ := settled(t, 30, 40, nil)
	w.loss = 0.01
	w.run(20 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
	if o := w.offload(); o < 0.9 {
		t.Errorf("offload %.3f, want 0.9", o)
	}
}

func TestEdgeRestarts(t *testing.T) {
	t.Parallel()
	w, edge, _ := settled(t, 40, 20, nil)
	w.at(11*time.Second, edge.kill)
	w.at(13*time.Second, edge.reborn)
	w.run(25 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
}

func TestSecondEdge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 50, clip)
	w.latency = func(a, b *simPeer) time.Duration { return 10 * time.Millisecond }
	source := w.add(wire.RoleSource, nil)
	first, second := w.add(wire.RoleEdge, nil), w.add(wire.RoleEdge, nil)
	first.start()
	second.start()
	source.start()
	w.join(30, time.Second, nil)
	w.run(10 * time.Second)
	up := 0
	for _, tr := range source.m.trees {
		up += tr.staying()
	}
	if up != len(source.m.trees) {
		t.Errorf("the source feeds %d places, want one per tree (%d)", up, len(source.m.trees))
	}
	w.count()
	w.at(11*time.Second, first.kill)
	w.run(25 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
}

func TestJoinsStartAtNewestKeyFrame(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 60, clip)
	w.latency = func(a, b *simPeer) time.Duration { return 25 * time.Millisecond }
	viewers := w.join(40, 20*time.Second, nil)
	w.run(25 * time.Second)
	w.report()
	w.complete()
	for i, p := range viewers {
		made := wire.Seq((p.born - w.source.born) / w.video.interval)
		newest := made - made%wire.Seq(w.video.keyEvery)
		if p.firstKey != newest && p.firstKey != newest+wire.Seq(w.video.keyEvery) {
			t.Errorf("viewer %d starts at %d, the newest key frame was %d", i, p.firstKey, newest)
		}
		if p.first > time.Second {
			t.Errorf("viewer %d: first picture after %v", i, p.first)
		}
		audio := p.delivered[2][0]
		at := time.Duration(audio) * w.video.audioInterval
		if d := at - time.Duration(p.firstKey)*w.video.interval; d < -w.video.audioInterval/2-time.Millisecond || d > w.video.audioInterval/2+time.Millisecond {
			t.Errorf("viewer %d: audio starts %v from the picture", i, d)
		}
	}
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
}

func TestAlone(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 70, hd)
	w.join(1, 0, nil)
	w.run(12 * time.Second)
	w.report()
	w.complete()
	if w.missed() != 0 || w.fromViewers != 0 || w.duplicates() != 0 {
		t.Errorf("missed %d, from viewers %d, duplicates %.3f", w.missed(), w.fromViewers, w.duplicates())
	}
}

// TestGate shows that an edge feeds two viewers itself, and no longer both
// when a third comes.
func TestGate(t *testing.T) {
	t.Parallel()
	w, edge := stream(t, 75, clip)
	w.join(2, 0, nil)
	w.run(8 * time.Second)
	if w.fromViewers > w.fromEdge/20 {
		t.Errorf("%d of %d bytes went between two viewers", w.fromViewers, w.fromEdge)
	}
	w.join(1, 0, nil)
	w.run(14 * time.Second)
	for _, tr := range edge.m.trees {
		if n := tr.staying(); n != 1 {
			t.Errorf("%v: the edge feeds %d of three viewers, want one", tr.id, n)
		}
	}
	w.complete()
	if w.missed() != 0 {
		t.Error("fragments missed")
	}
}

func TestFreeRiders(t *testing.T) {
	t.Parallel()
	w, _ := stream(t, 80, clip)
	w.latency = func(a, b *simPeer) time.Duration { return 15 * time.Millisecond }
	var free []*simPeer
	for i := range 60 {
		leaf := i%3 == 0
		p := w.add(wire.RoleViewer, func(c *Config) { c.Leaf = leaf })
		if leaf {
			free = append(free, p)
		}
		w.at(w.now+time.Duration(i)*20*time.Millisecond, p.start)
	}
	w.run(12 * time.Second)
	w.count()
	w.run(18 * time.Second)
	w.report()
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
	for i, p := range free {
		if s := p.m.Stats(); s.PiecesSent != 0 || s.Children != 0 {
			t.Errorf("free rider %d shares: %+v", i, s)
		}
	}
	if o := w.offload(); o < 0.9 {
		t.Errorf("offload %.3f, want 0.9", o)
	}
}

// TestFreeRiderComesFirst: the place at the root that the edge gave to the only
// viewer goes to one that carries others, as soon as there are any.
func TestFreeRiderComesFirst(t *testing.T) {
	t.Parallel()
	w, edge := stream(t, 81, clip)
	free := w.join(1, 0, func(c *Config) { c.Leaf = true })[0]
	w.run(6 * time.Second)
	w.join(5, 0, nil) // at once: no other has had the gate's place before
	w.run(14 * time.Second)
	for _, tr := range edge.m.trees {
		staying := 0
		for _, c := range tr.children {
			if !c.temporary && !c.leaving {
				staying++
			}
			if !c.temporary && c.peer.id() == free.info.ID {
				t.Errorf("%v: the free rider has a place for good", tr.id)
			}
		}
		if staying == 0 {
			t.Errorf("%v: nobody has a place for good", tr.id)
		}
	}
	w.complete()
	if w.missed() != 0 {
		t.Error("fragments missed")
	}
}

// TestPause has the source make nothing for longer than a silent neighbour is
// kept, and than the window lasts.
func TestPause(t *testing.T) {
	t.Parallel()
	w, _, viewers := settled(t, 85, 10, func(c *Config) { c.Window = 5 * time.Second })
	w.stop = w.now
	w.run(20 * time.Second)
	for i, p := range viewers {
		if s := p.m.Stats(); s.Viewers < 7 || s.Attached != s.Trees {
			t.Errorf("viewer %d in the pause: %+v", i, s)
		}
	}
	w.stop = time.Hour
	w.frame(1)
	w.frame(2)
	w.run(25 * time.Second)
	w.complete()
	if n := w.missed(); n != 0 {
		t.Errorf("%d fragments missed", n)
	}
}

// TestNewEpoch restarts the source's run under the peers' feet.
func TestNewEpoch(t *testing.T) {
	t.Parallel()
	w, _, viewers := settled(t, 90, 10, nil)
	w.at(11*time.Second, func() {
		w.epoch += 1000
		w.made = map[wire.TrackID]wire.Seq{1: 0, 2: 0}
		for i, p := range w.peers {
			w.at(w.now+time.Duration(i*17)*time.Millisecond, func() {
				p.delivered = map[wire.TrackID][]wire.Seq{}
				p.store = map[wire.PieceID]int{}
				p.sent = map[wire.PeerID]map[wire.PieceID]bool{}
				p.handle(p.catalog())
			})
		}
	})
	w.run(20 * time.Second)
	w.complete()
	for i, p := range viewers {
		if len(p.delivered[1]) == 0 || p.delivered[1][0] != 0 {
			t.Errorf("viewer %d does not play the new epoch from its start", i)
		}
	}
}

func TestSameSeedSameCommands(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) uint64 {
		w, _, viewers := settled(t, seed, 20, nil)
		w.loss = 0.02
		viewers[3].kill()
		w.run(15 * time.Second)
		return w.log.Sum64()
	}
	a, b, c := run(1), run(1), run(2)
	if a != b {
		t.Errorf("the same seed gives %x and %x", a, b)
	}
	if a == c {
		t.Error("another seed gives the same commands")
	}
}
