// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"time"

	"p2plive/internal/wire"
)

// With P2P off every viewer gets everything from one edge, whose uplink has no
// limit. The network, its losses and the viewers are those of the scenario.
// Since nothing that others do matters, each viewer has its next piece come.

// direct is what a viewer has from an edge while P2P is off.
type direct struct {
	edge    uint32
	session uint32
	shown   uint32 // next fragment to be shown
}

// directStart connects a viewer to an edge: the tracker's answer, a handshake,
// and what there is from the newest key frame on.
func (k *worker) directStart(p *peer) {
	if p.role == wire.RoleViewer && len(k.w.tracker.edges) > 0 {
		k.directDial(p, trackerTime)
	}
}

func (k *worker) directDial(p *peer, after time.Duration) {
	edges := k.w.tracker.edges
	p.direct.edge = edges[int(p.index)%len(edges)]
	p.direct.session++
	at := k.now + after + 4*k.w.delay(p.index, p.direct.edge)
	k.cause(p, event{at: at, kind: evOpen, session: p.direct.session})
}

// directOpen sends a viewer what it needs to begin, or what it lacks.
func (k *worker) directOpen(p *peer, session uint32) {
	d := &p.direct
	if !p.alive || session != d.session || !k.w.peers[d.edge].alive {
		return
	}
	if !p.player.began {
		newest := uint32(k.now / k.w.interval)
		d.shown = newest / k.w.keyEvery * k.w.keyEvery
	}
	k.directNext(p, d.shown, k.now)
}

// directNext has a fragment come that was sent when it was cut, or at from.
func (k *worker) directNext(p *peer, seq uint32, from time.Duration) {
	w, d := k.w, &p.direct
	left := max(w.cutAt(seq), from) + w.delay(0, d.edge)
	at, _ := k.arrival(p, d.edge, left, w.sc.Stream.Piece+wire.PieceOverhead)
	k.cause(p, event{at: at, kind: evPiece, session: d.session, arg: seq})
}

func (k *worker) directPiece(p *peer, e *event) {
	d := &p.direct
	if e.session != d.session {
		return
	}
	k.directNext(p, e.arg+1, 0)
	fresh := p.store.put(e.arg)
	k.arrived(d.edge, p, wire.Push, fresh)
	if !fresh {
		return
	}
	p.player.live(k, e.arg)
	for p.store.has(d.shown) {
		p.player.deliver(k, p, d.shown)
		d.shown++
	}
}

// directEdgeLost moves the viewers of a dead edge to another one as soon as
// its silence is noticed.
func (k *worker) directEdgeLost(edge uint32) {
	t := &k.w.tracker
	for _, i := range t.viewers {
		if p := k.w.peers[i]; p.direct.edge == edge && len(t.edges) > 0 {
			k.directDial(p, directNotice)
		}
	}
}

// directNotice is what a machine that is fed by one edge needs to leave it when it
// is silent.
const directNotice = 500 * time.Millisecond
