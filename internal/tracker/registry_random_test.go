// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"math/rand/v2"
	"testing"
	"time"

	"p2plive/internal/signal"
)

// TestRegistryAtRandom checks after thousands of random events that the tables
// agree with each other, and that they are empty when everybody has left.
func TestRegistryAtRandom(t *testing.T) {
	for _, s := range Strategies() {
		t.Run(string(s), func(t *testing.T) {
			w := newWorld(t, s)
			w.r.ticket = func(signal.Ticket) []byte { return nil } // signing takes the most time
			rng := rand.New(rand.NewPCG(7, 7))
			names := []string{"a", "b", "c", signal.StreamID{1}.String()}
			any := func() connID { return connID(rng.IntN(int(w.last) + 2)) }
			for range 20_000 {
				switch rng.IntN(10) {
				case 0:
					w.join(edge(byte(rng.IntN(8))))
				case 1:
					w.join(source(byte(rng.IntN(30)), byte(rng.IntN(4)), names[rng.IntN(3)]))
				case 2, 3:
					w.join(viewer(byte(rng.IntN(60)), names[rng.IntN(4)]))
				case 4, 5:
					w.leave(any(), rng.IntN(2) == 0)
				case 6:
					rep := carrying(byte(rng.IntN(4)), byte(rng.IntN(4)))
					rep.Load = signal.Load{BudgetKbps: uint32(rng.IntN(4)) * 10_000, OutKbps: uint32(rng.IntN(10_000))}
					rep.UplinkKbps, rep.Settled = uint32(rng.IntN(5000)), rng.IntN(2) == 0
					w.report(any(), rep)
				case 7:
					w.report(any(), signal.Report{Edges: []signal.PeerID{{byte(rng.IntN(8))}}})
				case 8:
					w.request(any(), rng.IntN(40), byte(rng.IntN(60)))
				case 9:
					w.pass(time.Duration(rng.IntN(30)) * time.Second)
				}
				clear(w.told)
				checkConsistent(t, w.r)
			}
			for id := range w.last + 1 {
				w.leave(id, false)
			}
			w.pass(holdName)
			if r := w.r; len(r.members)+len(r.byPeer)+len(r.edges)+len(r.streams)+len(r.names)+len(r.viewers) != 0 {
				t.Errorf("left behind: %d members, %d peers, %d edges, %d streams, %d names, %d audiences",
					len(r.members), len(r.byPeer), len(r.edges), len(r.streams), len(r.names), len(r.viewers))
			}
		})
	}
}

func checkConsistent(t *testing.T, r *registry) {
	t.Helper()
	if len(r.members) != len(r.byPeer) || len(r.streams) != len(r.names) {
		t.Fatalf("%d members of %d peers, %d streams with %d names", len(r.members), len(r.byPeer), len(r.streams), len(r.names))
	}
	checkNear(t, r)
	watching := 0
	for _, a := range r.viewers {
		watching += len(a.list)
		for _, m := range a.list {
			if m.queued != nil {
				t.Fatalf("viewer %d waits, and is named to others", m.id)
			}
		}
	}
	for _, m := range r.members {
		if m.queued != nil {
			watching++
			if r.streams[m.queued.id] != m.queued {
				t.Fatalf("viewer %d waits for a stream that has ended", m.id)
			}
		}
	}
	if c := r.census(); c.edges+c.sources+watching != len(r.members) {
		t.Fatalf("%d edges, %d sources and %d viewers are %d members", c.edges, c.sources, watching, len(r.members))
	}
}
