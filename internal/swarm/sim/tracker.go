// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"net/netip"
	"slices"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/swarm/admission"
	"p2plive/internal/wire"
)

// tracker introduces peers: neighbours in the same LAN first, then any that
// can be reached through both NATs. A crowd that the swarm cannot take waits, as
// with the real one.
type tracker struct {
	dead     bool
	viewers  []uint32 // those that it believes to be there
	edges    []uint32
	control  *admission.Control[uint32]
	settling []uint32           // admitted, and have not said that they have found their places
	outside  int                // came when it was dead
	looks    int                // how often it has looked who may come in
	sent     [loadReports]int64 // bytes by all edges, as they said last
	lans     [][]uint32
	reported map[uint32]bool // have sent bad pieces
}

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
	t.control.Leave(p.index)
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

// knock has a viewer ask to be let in.
func (w *world) knock(p *peer) {
	t := &w.tracker
	switch {
	case t.dead:
		t.outside++
	case w.off:
		w.enter(p)
	default:
		if verdict, _ := t.control.Arrive(w.q.now, p.index, netip.Prefix{}); verdict == admission.Admitted {
			w.enter(p)
		}
	}
}

// admit lets in those whose turn it is.
func (w *world) admit() {
	t := &w.tracker
	w.q.add(event{at: w.q.now + joinsEvery, kind: evJoins})
	if t.dead {
		return
	}
	if t.looks%edgeReports == 0 {
		w.hearEdges(t.looks / edgeReports)
	}
	if t.looks%settleReports == 0 {
		w.hearViewers()
	}
	t.looks++
	for _, i := range t.control.Admit(w.q.now) {
		w.enter(w.peers[i])
	}
}

// hearEdges takes the edges' reports.
func (w *world) hearEdges(n int) {
	t := &w.tracker
	e := admission.Edges{At: w.q.now}
	var sent int64
	for _, i := range t.edges {
		p := w.peers[i]
		e.Unlimited = e.Unlimited || p.up.rate == 0
		e.Budget += p.up.rate
		sent += p.owed
	}
	const span = edgeReports * loadReports * joinsEvery
	e.Out = max(sent-t.sent[n%loadReports], 0) * 8 * int64(time.Second) / int64(span)
	e.Feeds = e.Out
	t.sent[n%loadReports] = sent
	t.control.SetRate(w.sc.Stream.Kbit * 1000)
	t.control.SetEdges(e)
}

// hearViewers takes the reports of those that have found their places.
func (w *world) hearViewers() {
	t := &w.tracker
	t.settling = slices.DeleteFunc(t.settling, func(i uint32) bool {
		p := w.peers[i]
		if !p.alive {
			return true
		}
		s := p.machine.Stats()
		if s.Attached < s.Trees || s.Temporary > 0 {
			return false
		}
		uplink := p.up.rate
		if p.leaf {
			uplink = 0
		}
		t.control.Report(i, uplink, true, s.AtServers > 0)
		return true
	})
}
