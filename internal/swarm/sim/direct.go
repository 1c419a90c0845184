// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"time"

	"p2plive/internal/wire"
)

// With P2P off every viewer gets everything from one edge, whose uplink has no
// limit. The network, its losses and the viewers are those of the scenario.

// directStart connects a viewer to an edge: the tracker's answer, a handshake,
// and what there is from the newest key frame on.
func (w *world) directStart(p *peer) {
	if p.role != wire.RoleViewer || len(w.tracker.edges) == 0 {
		return
	}
	p.edge = w.tracker.edges[int(p.index)%len(w.tracker.edges)]
	at := w.q.now + trackerTime + 4*w.net.between(p, w.peers[p.edge])
	w.q.add(event{at: at, kind: evOpen, from: p.edge, to: p.index})
}

// directOpen sends a viewer what it needs to begin, or what it lacks.
func (w *world) directOpen(edge, p *peer) {
	if !p.alive || !edge.alive {
		return
	}
	p.connect(edge.index, 0)
	if w.cut == 0 {
		return
	}
	from := (w.cut - 1) / w.keyEvery * w.keyEvery
	if p.player.began {
		from = p.shown
	} else {
		p.shown = from
	}
	for seq := from; seq < w.cut; seq++ {
		w.directSend(edge, p, seq)
	}
}

// direct sends a new fragment to everybody.
func (w *world) direct(seq uint32) {
	for _, i := range w.tracker.viewers {
		p := w.peers[i]
		if p.link(p.edge) != nil && w.peers[p.edge].alive {
			w.directSend(w.peers[p.edge], p, seq)
		}
	}
}

func (w *world) directSend(edge, p *peer, seq uint32) {
	l := p.link(edge.index)
	left := w.q.now + w.net.between(w.peers[0], edge)
	at, _ := w.arrival(edge, p, left, w.sc.Stream.Piece+wire.PieceOverhead)
	l.pieces = max(l.pieces, at)
	w.q.add(event{at: l.pieces, kind: evPiece, from: edge.index, to: p.index, arg: seq})
}

func (w *world) directPiece(p *peer, e *event) {
	if !p.alive || p.link(e.from) == nil {
		return
	}
	fresh := p.store.put(e.arg)
	w.arrived(w.peers[e.from], p, wire.Push, w.sc.Stream.Piece, fresh)
	if !fresh {
		return
	}
	p.player.live(w, e.arg)
	for p.store.has(p.shown) {
		p.player.deliver(w, p, p.shown)
		p.shown++
	}
}

// directEdgeLost moves the viewers of a dead edge to another one as soon as
// its silence is noticed.
func (w *world) directEdgeLost(edge *peer) {
	for _, i := range w.tracker.viewers {
		p := w.peers[i]
		if p.edge != edge.index || len(w.tracker.edges) == 0 {
			continue
		}
		p.links = nil
		p.edge = w.tracker.edges[int(p.index)%len(w.tracker.edges)]
		at := w.q.now + directNotice + 4*w.net.between(p, w.peers[p.edge])
		w.q.add(event{at: at, kind: evOpen, from: p.edge, to: p.index})
	}
}

// directNotice is what a machine that is fed by one edge needs to leave it when it
// is silent.
const directNotice = 500 * time.Millisecond
