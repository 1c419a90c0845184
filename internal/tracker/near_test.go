// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"p2plive/internal/signal"
)

// neighbourhood has a stream with 1,000 viewers all over the world, 40 more at
// one operator, and 6 more at one site of it. It returns who is where.
func neighbourhood(t *testing.T) (w *world, site, operator map[signal.PeerID]bool) {
	w = newWorld(t, Random)
	e := w.mustJoin(edge(1))
	w.mustJoin(source(2, 9, "radio"))
	w.report(e, carrying(9))
	site, operator = make(map[signal.PeerID]bool), make(map[signal.PeerID]bool)
	n := uint32(0)
	join := func(addr string) signal.PeerID {
		a := numbered(n, addr)
		n++
		w.mustJoin(a)
		return a.peer
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		join(fmt.Sprintf("%d.%d.%d.%d", 20+rng.IntN(100), rng.IntN(256), rng.IntN(256), rng.IntN(256)))
	}
	for i := range 40 {
		operator[join(fmt.Sprintf("203.0.%d.7", i))] = true
	}
	for range 6 {
		site[join("203.0.113.9")] = true
	}
	clear(w.told)
	return w, site, operator
}

func TestNearFirst(t *testing.T) {
	w, site, operator := neighbourhood(t)
	id := w.mustJoin(numbered(5000, "203.0.113.9"))
	w.mail(id)
	var mates, around, others int
	for range 20 {
		w.request(id, 16)
		for _, p := range w.mail(id)[0].msg.GetPeers().GetPeers() {
			switch key := signal.PeerID(p.GetPeerId()); {
			case site[key]:
				mates++
			case operator[key]:
				around++
			default:
				others++
			}
		}
	}
	// 15 of 16 are viewers: at most one in four each, and those drawn from everybody, who are hardly ever near.
	if mates < 20*3 || mates > 20*4 || around < 20*3 || around > 20*4+5 || others < 20*8 {
		t.Errorf("in 20 answers %d of the site, %d of the operator, %d others", mates, around, others)
	}
}

// TestNearIsForgotten: whoever leaves is in no list.
func TestNearIsForgotten(t *testing.T) {
	w, _, _ := neighbourhood(t)
	for id := range w.last + 1 {
		w.leave(id, id%2 == 0)
		if id%50 == 0 || id > w.last-20 {
			checkNear(t, w.r)
		}
	}
	if len(w.r.viewers) != 0 {
		t.Errorf("%d audiences are left", len(w.r.viewers))
	}
}

func checkNear(t *testing.T, r *registry) {
	t.Helper()
	for _, a := range r.viewers {
		for i, lists := range a.near {
			n := 0
			for place, list := range lists {
				for at, m := range list {
					if m.spots[i] != at || r.members[m.id] != m {
						t.Fatalf("viewer %d is at %d of %v, and believes at %d", m.id, at, place, m.spots[i])
					}
				}
				n += len(list)
			}
			if n != len(a.list) {
				t.Fatalf("%d viewers in lists, %d there", n, len(a.list))
			}
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, tt := range []struct{ ip, site, operator string }{
		{"203.0.113.9", "203.0.113.9/32", "203.0.0.0/16"},
		{"::ffff:203.0.113.9", "203.0.113.9/32", "203.0.0.0/16"},
		{"2001:db8:1:2ff::1", "2001:db8:1:200::/56", "2001:db8::/32"},
	} {
		got := placesOf(netip.MustParseAddr(tt.ip))
		if got[0].String() != tt.site || got[1].String() != tt.operator {
			t.Errorf("%s is in %v", tt.ip, got)
		}
	}
}
