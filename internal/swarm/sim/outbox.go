// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"fmt"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// handle gives an event to the machine of the peer that is run, and carries out
// its commands: the worker is its outbox.
func (k *worker) handle(p *peer, ev swarm.Event) {
	p.machine.HandleTo(k.now, ev, k)
}

// Send implements swarm.Outbox.
func (k *worker) Send(c swarm.Send) {
	p, i := k.from(c.Peer)
	if i < 0 {
		k.violate("message to a peer without a session")
		return
	}
	k.scratch = wire.Append(k.scratch[:0], c.Msg)
	size := len(k.scratch)
	if k.now >= k.w.sc.Warmup {
		k.m.control += uint64(size)
	}
	to := p.links.list[i]
	at, again := k.arrival(p, to.peer, p.up.pass(k.now, size), size)
	p.up.pass(k.now, again)
	last := &p.links.sent[i].control
	*last = max(*last, at)
	e := event{at: *last, session: to.session}
	e.take(c.Msg)
	k.send(p, to.peer, &e)
}

// from returns the peer that is run, and the place of its link to another one.
func (k *worker) from(other wire.PeerID) (p *peer, i int) {
	p = k.w.peers[k.self]
	return p, p.links.find(indexOf(other))
}

// NewHave implements swarm.Outbox.
func (k *worker) NewHave() *wire.Have { return &k.haveOut }

// messageIn hands a message to its receiver's machine.
func (k *worker) messageIn(to *peer, e *event) {
	if !to.links.open(e.from, e.session) {
		return
	}
	var msg wire.Message
	switch e.kind {
	case evHave:
		e.unpack(&k.haveIn)
		msg = &k.haveIn
	case evBeat:
		k.beatIn = wire.Heartbeat{Epoch: epoch.Tag(), Slots: uint16(e.arg)}
		msg = &k.beatIn
	default:
		msg = *e.msg
	}
	k.handle(to, swarm.Received{Peer: id(e.from), Msg: msg})
}

// SendPiece implements swarm.Outbox.
func (k *worker) SendPiece(c swarm.SendPiece) {
	p, i := k.from(c.Peer)
	seq := uint32(c.ID.Seq)
	switch {
	case i < 0:
		k.violate("piece to a peer without a session")
		return
	case !p.store.has(seq):
		k.violate("piece sent that is not there")
		return
	case max(p.up.free, k.now) > c.Expires:
		k.m.expired++
		return
	}
	size := k.w.sc.Stream.Piece + wire.PieceOverhead
	to, sent := p.links.list[i], &p.links.sent[i]
	at, again := k.arrival(p, to.peer, p.up.send(k.now, size), size)
	p.up.send(k.now, again)
	last := &sent.pieces
	if c.Via != wire.Push {
		last = &sent.repairs
	}
	if c.Via != wire.Repair {
		p.up.owed += int64(size)
	}
	*last = max(*last, at)
	k.send(p, to.peer, &event{at: *last, kind: evPiece, session: to.session, arg: seq, via: c.Via, bad: p.bad})
}

// Deliver implements swarm.Outbox.
func (k *worker) Deliver(c swarm.Deliver) {
	p := k.w.peers[k.self]
	p.player.deliver(k, p, uint32(c.Seq))
}

// Wake implements swarm.Outbox.
func (k *worker) Wake(c swarm.Wake) { k.g.wakes[k.self] = c.At }

// Do implements swarm.Outbox.
func (k *worker) Do(c swarm.Command) {
	p := k.w.peers[k.self]
	switch c := c.(type) {
	case swarm.Missed:
		p.player.miss(k)
	case swarm.Dial:
		k.dial(p, indexOf(c.Peer.ID))
	case swarm.Drop:
		if _, i := k.from(c.Peer); i >= 0 {
			k.hangUp(p, p.links.list[i])
		} else {
			k.violate("session dropped that is not there")
		}
	case swarm.WantPeers:
		k.want(p, want{what: wantNames, n: c.N})
	}
}

// violate notes that the machine has asked for something impossible.
func (k *worker) violate(text string) {
	if k.m.violations++; k.m.violations == 1 {
		k.m.violated, k.m.violation = k.now, fmt.Sprintf("%v: peer %d, %s", k.now, k.self, text)
	}
}

// arrival returns when a message that has left at a time arrives, and how many
// bytes of it went over the line again.
func (k *worker) arrival(from *peer, to uint32, left time.Duration, bytes int) (at time.Duration, again int) {
	d := k.w.delay(from.index, to)
	at = left + d
	if loss := k.w.net.loss; loss > 0 {
		rounds, lost := losses(from.chance, datagrams(bytes), loss)
		at += time.Duration(float64(rounds) * roundTrips * float64(2*d))
		again = lost * min(bytes, datagramPayload)
	}
	return at, again
}

func (k *worker) pieceIn(to *peer, e *event) {
	if e.bad {
		k.evict(to, e.from)
		return
	}
	fresh := to.store.put(e.arg)
	if to.role == wire.RoleViewer {
		k.arrived(e.from, to, e.via, fresh)
		if fresh {
			to.player.live(k, e.arg)
		}
	}
	k.handle(to, swarm.PieceIn{
		Peer: id(e.from), Header: k.w.header(e.arg), Size: k.w.sc.Stream.Piece, Via: e.via, New: fresh,
	})
}

// evict lets a peer go that has sent a piece with a bad signature. The tracker
// checks the piece and names the peer to nobody any more.
func (k *worker) evict(to *peer, from uint32) {
	k.m.badPieces++
	k.m.bad += uint64(k.w.sc.Stream.Piece)
	to.banned = append(to.banned, ban{from, k.now + banTime})
	k.want(to, want{what: wantJustice, of: from})
	k.handle(to, swarm.PieceBad{Peer: id(from)})
	if i := to.links.find(from); i >= 0 {
		k.hangUp(to, to.links.list[i])
	}
}
