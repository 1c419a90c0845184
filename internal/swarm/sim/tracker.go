// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"cmp"
	"slices"
	"time"

	"p2plive/internal/swarm/admission"
	"p2plive/internal/wire"
)

// tracker introduces peers: neighbours in the same LAN first, then any that
// can be reached through both NATs. A crowd that the swarm cannot take waits, as
// with the real one.
type tracker struct {
	dead     bool
	viewers  []uint32 // those that it believes to be there
	places   []int32  // by peer: in viewers, -1 if not in it
	edges    []uint32
	control  *admission.Control[uint32]
	settling []uint32           // admitted, and have not said that they have found their places
	outside  int                // came when it was dead
	looks    int                // how often it has looked who may come in
	sent     [loadReports]int64 // bytes by all edges, as they said last
	lans     [][]uint32
	reported map[uint32]bool // have sent bad pieces
	silent   []want          // of those that have gone without a word, by time
	wants    []want          // of a window
}

// want is what a peer wants of the tracker. It is answered between windows.
type want struct {
	at   time.Duration
	peer uint32
	what wanted
	n    int    // names
	of   uint32 // who is reported
}

type wanted uint8

const (
	wantNames     wanted = iota // of others
	wantForgotten               // it has gone
	wantJustice                 // somebody has sent a bad piece
)

// want puts a question to the tracker.
func (k *worker) want(p *peer, q want) {
	q.at, q.peer = k.now, p.index
	k.wants = append(k.wants, q)
}

// answer does what peers have wanted in the window that is over, in an order
// that does not depend on who has run them.
func (k *worker) answer() {
	w, t := k.w, &k.w.tracker
	for len(t.silent) > 0 && t.silent[0].at+idleTimeout <= k.now {
		t.forget(w, t.silent[0].peer)
		t.silent = t.silent[1:]
	}
	t.wants = t.wants[:0]
	for _, o := range w.g.workers {
		t.wants = append(t.wants, o.wants...)
		o.wants = o.wants[:0]
	}
	slices.SortStableFunc(t.wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.peer, b.peer))
	})
	for _, q := range t.wants {
		switch p := w.peers[q.peer]; {
		case q.what == wantJustice:
			t.reported[q.of] = true
		case q.what == wantNames && !t.dead:
			var names wire.Message = &wire.Peers{Peers: w.introduce(p, q.n)}
			k.cause(p, event{at: q.at + trackerTime, kind: evNames, msg: &names})
		case q.what == wantForgotten && p.abrupt:
			t.silent = append(t.silent, q)
		case q.what == wantForgotten:
			t.forget(w, q.peer)
		}
	}
}

func (t *tracker) add(w *world, viewer uint32) {
	if t.places == nil {
		t.places = slices.Repeat([]int32{-1}, len(w.peers))
	}
	t.places[viewer] = int32(len(t.viewers))
	t.viewers = append(t.viewers, viewer)
	if lan := w.sites[viewer].lan; lan >= 0 {
		for len(t.lans) <= int(lan) {
			t.lans = append(t.lans, nil)
		}
		t.lans[lan] = append(t.lans[lan], viewer)
	}
}

func (t *tracker) forget(w *world, viewer uint32) {
	if t.places == nil || t.places[viewer] < 0 {
		return
	}
	place, last := t.places[viewer], t.viewers[len(t.viewers)-1]
	t.viewers[place], t.places[last] = last, place
	t.viewers = t.viewers[:len(t.viewers)-1]
	t.places[viewer] = -1
	t.control.Leave(viewer)
	if lan := w.sites[viewer].lan; lan >= 0 {
		t.lans[lan] = slices.DeleteFunc(t.lans[lan], func(i uint32) bool { return i == viewer })
	}
}

// introduce names peers to one that asks for n viewers.
func (w *world) introduce(p *peer, n int) []wire.PeerInfo {
	t := &w.tracker
	var infos []wire.PeerInfo
	if p.role == wire.RoleEdge {
		infos = append(infos, w.info(0))
		for _, i := range t.edges {
			if i != p.index {
				infos = append(infos, w.info(i))
			}
		}
		return infos
	}
	for k := range min(introducedEdges, len(t.edges)) {
		infos = append(infos, w.info(t.edges[(int(p.index)+k)%len(t.edges)]))
	}
	return append(infos, w.drawViewers(p.index, n)...)
}

// drawViewers chooses viewers at random, half of them from the same LAN if
// there are so many.
func (w *world) drawViewers(p uint32, n int) []wire.PeerInfo {
	t, at := &w.tracker, &w.sites[p]
	var drawn []uint32
	if at.lan >= 0 {
		mates := slices.Clone(t.lans[at.lan])
		w.rng.Shuffle(len(mates), func(i, j int) { mates[i], mates[j] = mates[j], mates[i] })
		for _, i := range mates {
			if i != p && len(drawn) < n/2 {
				drawn = append(drawn, i)
			}
		}
	}
	for range drawTries {
		if len(drawn) >= n || len(t.viewers) == 0 {
			break
		}
		o := t.viewers[w.rng.IntN(len(t.viewers))]
		there, _ := reach(at.nat, w.sites[o].nat)
		if o != p && there && !t.reported[o] && !slices.Contains(drawn, o) {
			drawn = append(drawn, o)
		}
	}
	infos := make([]wire.PeerInfo, len(drawn))
	for i, index := range drawn {
		infos[i] = w.info(index)
	}
	return infos
}
