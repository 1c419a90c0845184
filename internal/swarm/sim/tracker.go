// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"slices"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// tracker introduces peers: neighbours in the same LAN first, then any that
// can be reached through both NATs. It lets a fast-growing crowd wait.
type tracker struct {
	dead     bool
	viewers  []uint32 // those that it believes to be there
	edges    []uint32
	waiting  []uint32 // have come and are not admitted yet
	credit   float64  // of them may come in
	lans     [][]uint32
	reported map[uint32]bool // have sent bad pieces
}

const joinsEvery = 100 * time.Millisecond

func (t *tracker) add(p *peer) {
	p.place = len(t.viewers)
	t.viewers = append(t.viewers, p.index)
	if p.lan >= 0 {
		for len(t.lans) <= int(p.lan) {
			t.lans = append(t.lans, nil)
		}
		t.lans[p.lan] = append(t.lans[p.lan], p.index)
	}
}

func (t *tracker) forget(w *world, p *peer) {
	if p.place < 0 {
		return
	}
	last := t.viewers[len(t.viewers)-1]
	t.viewers[p.place] = last
	w.peers[last].place = p.place
	t.viewers = t.viewers[:len(t.viewers)-1]
	p.place = -1
	if p.lan >= 0 {
		t.lans[p.lan] = slices.DeleteFunc(t.lans[p.lan], func(i uint32) bool { return i == p.index })
	}
}

// introduce answers a peer's question for n viewers.
func (w *world) introduce(p *peer, n int) {
	t := &w.tracker
	if t.dead {
		return
	}
	var infos []wire.PeerInfo
	if p.role == wire.RoleEdge {
		infos = append(infos, w.info(0))
		for _, i := range t.edges {
			if i != p.index {
				infos = append(infos, w.info(i))
			}
		}
		w.handle(p, swarm.Introduced{Peers: infos})
		return
	}
	for k := range min(introducedEdges, len(t.edges)) {
		infos = append(infos, w.info(t.edges[(int(p.index)+k)%len(t.edges)]))
	}
	w.handle(p, swarm.Introduced{Peers: append(infos, w.drawViewers(p, n)...)})
}

// drawViewers chooses viewers at random, half of them from the same LAN if
// there are so many.
func (w *world) drawViewers(p *peer, n int) []wire.PeerInfo {
	t := &w.tracker
	var drawn []uint32
	if p.lan >= 0 {
		mates := slices.Clone(t.lans[p.lan])
		w.rng.Shuffle(len(mates), func(i, j int) { mates[i], mates[j] = mates[j], mates[i] })
		for _, i := range mates {
			if i != p.index && len(drawn) < n/2 {
				drawn = append(drawn, i)
			}
		}
	}
	for range drawTries {
		if len(drawn) >= n || len(t.viewers) == 0 {
			break
		}
		o := w.peers[t.viewers[w.rng.IntN(len(t.viewers))]]
		there, _ := reach(p.nat, o.nat)
		if o != p && there && !t.reported[o.index] && !slices.Contains(drawn, o.index) {
			drawn = append(drawn, o.index)
		}
	}
	infos := make([]wire.PeerInfo, len(drawn))
	for i, index := range drawn {
		infos[i] = w.info(index)
	}
	return infos
}

// admit lets in those that wait, as many as the swarm can take.
func (w *world) admit() {
	t := &w.tracker
	// As the swarm grows, so does what it can take.
	t.credit += max(w.sc.JoinsPerSecond, float64(len(t.viewers))*joinsGrowth/100) * joinsEvery.Seconds()
	n := min(int(t.credit), len(t.waiting))
	t.credit = min(t.credit-float64(n), 1)
	if !t.dead {
		for _, i := range t.waiting[:n] {
			w.enter(w.peers[i])
		}
		t.waiting = t.waiting[n:]
	}
	w.q.add(event{at: w.q.now + joinsEvery, kind: evJoins})
}
