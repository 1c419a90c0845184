// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"math/rand/v2"
	"slices"
	"testing"

	"p2plive/internal/signal"
)

// edges with ids 1 to 4: loads 5 (reported), 0+3 (sent since), 3 with more
// traffic, and 1 without the stream.
func sampleEdges() []candidate {
	e := func(id connID, sessions, assigned, kbps uint32) *member {
		return &member{id: id, assigned: assigned, announcement: announcement{load: signal.Load{Sessions: sessions, OutKbps: kbps}}}
	}
	return []candidate{
		{e(1, 5, 0, 0), true}, {e(2, 0, 3, 100), true}, {e(3, 3, 0, 200), true}, {e(4, 1, 0, 0), false},
	}
}

func idsInOrder(c []candidate) []connID {
	var ids []connID
	for _, x := range c {
		ids = append(ids, x.edge.id)
	}
	return ids
}

func TestStrategies(t *testing.T) {
	for _, tt := range []struct {
		name    Strategy
		spreads bool
		want    []connID // nil: any order
	}{
		{Random, false, nil},
		{"", false, nil},
		{MinWorkload, false, []connID{4, 2, 3, 1}},
		{EdgeNodes, true, []connID{4, 2, 3, 1}},
	} {
		s, err := newStrategy(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if s.spreads() != tt.spreads {
			t.Errorf("%s spreads: %v", tt.name, s.spreads())
		}
		first := make(map[connID]int)
		for seed := range uint64(400) {
			c := sampleEdges()
			s.order(rand.New(rand.NewPCG(seed, 1)), c)
			if got := idsInOrder(c); tt.want != nil && !slices.Equal(got, tt.want) {
				t.Fatalf("%s: %v, want %v", tt.name, got, tt.want)
			}
			first[c[0].edge.id]++
		}
		if tt.want != nil {
			continue
		}
		for id := connID(1); id <= 4; id++ {
			if first[id] < 60 || first[id] > 140 { // 100 expected
				t.Errorf("%s: edge %d is first %d times of 400", tt.name, id, first[id])
			}
		}
	}
	if _, err := newStrategy("fastest"); err == nil {
		t.Error("unknown strategy accepted")
	}
}

func TestEdgeNodesPrefersTheCarrierAmongEquals(t *testing.T) {
	for seed := range uint64(50) {
		c := []candidate{{&member{id: 1}, false}, {&member{id: 2}, true}, {&member{id: 3}, false}}
		edgeNodes{}.order(rand.New(rand.NewPCG(seed, 1)), c)
		if c[0].edge.id != 2 {
			t.Fatalf("order %v", idsInOrder(c))
		}
	}
}

func TestMinWorkloadSpreadsArrivalsBetweenReports(t *testing.T) {
	w := newWorld(t, MinWorkload)
	e1, e2 := w.mustJoin(edge(1)), w.mustJoin(edge(2))
	w.mustJoin(source(9, 9, "radio"))
	w.report(e1, carrying(9))
	w.report(e2, carrying(9))
	got := map[byte]int{}
	s := w.r.find("radio")
	for range 40 {
		got[w.r.edgesFor(w.now, s, 1, nil)[0].peer[0]]++
	}
	if got[1] != 20 || got[2] != 20 {
		t.Errorf("shares %v, want 20 each", got)
	}
}
