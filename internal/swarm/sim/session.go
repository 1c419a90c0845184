// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// dial begins a handshake: two round trips, and the tracker's part if a NAT
// stands in the way.
func (w *world) dial(p *peer, other uint32) {
	if int(other) >= len(w.peers) {
		w.violate("dial to a peer that does not exist")
		return
	}
	o := w.peers[other]
	there, punched := reach(p.nat, o.nat)
	switch {
	case p.lan >= 0 && p.lan == o.lan:
		there, punched = true, false
	case o.role != wire.RoleViewer:
		there, punched = true, false // over a WebSocket, if there is no UDP
	}
	now := w.q.now
	if !o.alive || !there || punched && w.tracker.dead || o.isBanned(p.index, now) || p.isBanned(other, now) {
		w.q.add(event{at: now + dialTimeout, kind: evFailed, from: other, to: p.index})
		return
	}
	w.m.dialed++
	at := now + 4*w.net.between(p, o)
	if punched {
		at += punchTime
	}
	w.q.add(event{at: at, kind: evOpen, from: p.index, to: other})
}

// open makes a session known to both ends.
func (w *world) open(from, to *peer) {
	if !from.alive || !to.alive || from.link(to.index) != nil || to.link(from.index) != nil {
		return
	}
	w.sessions++
	session := w.sessions
	from.connect(to.index, session)
	to.connect(from.index, session)
	rtt := 2 * w.net.between(from, to)
	w.handle(from, swarm.PeerUp{Peer: w.id(to.index), Role: to.role, RTT: rtt})
	if l := to.link(from.index); l != nil && l.session == session {
		w.handle(to, swarm.PeerUp{Peer: w.id(from.index), Role: from.role, RTT: rtt})
	}
}

// hangUp ends a session with a word to the other end.
func (w *world) hangUp(p, o *peer, session uint32) {
	p.disconnect(o.index, session)
	w.q.add(event{
		at: w.q.now + w.net.between(p, o), kind: evClosed, from: p.index, to: o.index, session: session,
	})
}

// closed tells a peer that a session's other end is gone.
func (w *world) closed(from, to *peer, e *event) {
	if from == to { // the tracker has noticed
		w.tracker.forget(w, to)
		return
	}
	if to.disconnect(from.index, e.session) {
		w.handle(to, swarm.PeerDown{Peer: w.id(from.index)})
	}
}
