// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"slices"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// dialling is a dial under way.
type dialling struct{ peer, session uint32 }

// dial begins a handshake: two round trips, and the tracker's part if a NAT
// stands in the way.
func (k *worker) dial(p *peer, other uint32) {
	w := k.w
	if int(other) >= len(w.peers) {
		k.violate("dial to a peer that does not exist")
		return
	}
	a, b := &w.sites[p.index], &w.sites[other]
	there, punched := reach(a.nat, b.nat)
	switch {
	case a.lan >= 0 && a.lan == b.lan:
		there, punched = true, false
	case b.role != wire.RoleViewer:
		there, punched = true, false // over a WebSocket, if there is no UDP
	}
	// A session's number is different for all sessions between two peers.
	p.dials++
	session := p.dials << 1
	if p.index < other {
		session++
	}
	p.dialling = append(p.dialling, dialling{other, session})
	delay := w.delay(p.index, other)
	k.cause(p, event{at: k.now + dialTimeout + 4*delay, kind: evFailed, arg: other, session: session})
	if !there || punched && w.tracker.dead || p.isBanned(other, k.now) {
		return
	}
	at := k.now + 3*delay
	if punched {
		at += punchTime
	}
	k.send(p, other, &event{at: at, kind: evDial, session: session})
}

// dialled answers a handshake. Of two peers that dial each other at once, the
// first one's handshake counts.
func (k *worker) dialled(o *peer, e *event) {
	if o.isBanned(e.from, k.now) || o.links.find(e.from) >= 0 {
		return
	}
	if i := slices.IndexFunc(o.dialling, func(d dialling) bool { return d.peer == e.from }); i >= 0 {
		if o.index < e.from {
			return
		}
		o.dialling = slices.Delete(o.dialling, i, i+1)
	}
	delay := k.w.delay(o.index, e.from)
	o.links.add(e.from, e.session)
	k.send(o, e.from, &event{at: k.now + delay, kind: evOpen, session: e.session})
	k.handle(o, swarm.PeerUp{Peer: id(e.from), Role: k.w.sites[e.from].role, RTT: 2 * delay})
}

// opened ends the dialler's handshake. If it has gone meanwhile, or has no more
// need of it, the other end is to know.
func (k *worker) opened(p *peer, e *event) {
	delay := k.w.delay(p.index, e.from)
	i := slices.Index(p.dialling, dialling{e.from, e.session})
	if !p.alive || i < 0 {
		at := k.now + delay
		if !p.alive && p.abrupt {
			at = k.now + idleTimeout
		}
		k.send(p, e.from, &event{at: at, kind: evClosed, session: e.session})
		return
	}
	p.dialling = slices.Delete(p.dialling, i, i+1)
	k.m.dialed++
	p.links.add(e.from, e.session)
	k.handle(p, swarm.PeerUp{Peer: id(e.from), Role: k.w.sites[e.from].role, RTT: 2 * delay})
}

// dialFailed ends a dial that nobody has answered.
func (k *worker) dialFailed(p *peer, e *event) {
	i := slices.Index(p.dialling, dialling{e.arg, e.session})
	if i < 0 {
		return
	}
	p.dialling = slices.Delete(p.dialling, i, i+1)
	k.m.dialFailed++
	k.handle(p, swarm.DialFailed{Peer: id(e.arg)})
}

// hangUp ends a session with a word to the other end.
func (k *worker) hangUp(p *peer, l link) {
	p.links.remove(l.peer, l.session)
	k.send(p, l.peer, &event{at: k.now + k.w.delay(p.index, l.peer), kind: evClosed, session: l.session})
}
