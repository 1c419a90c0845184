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
	w, _ := stream(t, 2, hd)
	w.latency = func(a, b *simPeer) time.Duration { return 25 * time.Millisecond }
	w.join(300, 5*time.Second, func(c *Config) { c.Window = 10 * time.Second })
	w.run(17 * time.Second)
	w.report()
	w.count()
	w.run(32 * time.Second)
	w.report()
	w.complete()
	if w.missed() != 0 {
		t.Error("fragments missed")
	}
	if o := w.offload(); o < 0.95 {
		t.Errorf("offload %.3f, want 0.95", o)
	}
}
