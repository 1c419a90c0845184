// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// world is one run. Peer 0 is the source, edges follow, then viewers.
type world struct {
	sc       Scenario
	off      bool // viewers get everything from an edge without limits
	rng      *rand.Rand
	q        *queue
	net      network
	peers    []*peer
	tracker  tracker
	m        metrics
	progress func(time.Duration, Second) error

	stop       error
	firstsFrom time.Duration // first pictures count for who comes after

	cut      uint32 // next fragment
	interval time.Duration
	keyEvery uint32
	sessions uint32
	scratch  []byte
}

const (
	track     = wire.TrackID(1)
	epoch     = wire.Epoch(1_700_000_000_000)
	timescale = 1_000_000
)

// run processes events until the end, or until somebody has seen enough.
func (w *world) run() error {
	for {
		e, ok := w.q.next(w.sc.Duration)
		if !ok {
			break
		}
		w.event(&e)
		if w.stop != nil {
			return w.stop
		}
	}
	for _, p := range w.peers {
		if p.role == wire.RoleViewer && p.alive {
			w.m.gone(w, p)
			if !p.player.began && w.q.now-p.came > settle {
				w.m.waiting++
			}
		}
	}
	w.m.waiting += w.tracker.outside + w.tracker.control.Stats(w.q.now).Waiting
	return nil
}

func (w *world) event(e *event) {
	to := w.peers[e.to]
	switch e.kind {
	case evTick:
		if to.alive && to.wake == e.arg {
			w.handle(to, swarm.Tick{})
		}
	case evMessage:
		if l := to.link(e.from); l != nil && l.session == e.session {
			w.handle(to, swarm.Received{Peer: w.id(e.from), Msg: e.msg})
		}
	case evPiece:
		if w.off {
			w.directPiece(to, e)
		} else if l := to.link(e.from); l != nil && l.session == e.session {
			w.pieceIn(w.peers[e.from], to, e)
		}
	case evCut:
		w.cutNext()
	case evStart:
		w.knock(to)
	case evLeave:
		if to.alive {
			w.leave(to)
		}
	case evOpen:
		if w.off {
			w.directOpen(w.peers[e.from], to)
			return
		}
		w.open(w.peers[e.from], to)
	case evClosed:
		w.closed(w.peers[e.from], to, e)
	case evFailed:
		if to.alive {
			w.m.dialFailed++
			w.handle(to, swarm.DialFailed{Peer: w.id(e.from)})
		}
	case evTracker:
		if to.alive {
			w.introduce(to, int(e.arg))
		}
	case evSecond:
		w.second()
		w.q.add(event{at: w.q.now + time.Second, kind: evSecond})
	case evFault:
		w.fault(w.sc.Faults[e.arg])
	case evJoins:
		w.admit()
	}
}

// cutAt returns when a fragment is cut.
func (w *world) cutAt(seq uint32) time.Duration { return time.Duration(seq) * w.interval }

// firstAfter returns the first fragment that is not cut before a time.
func (w *world) firstAfter(at time.Duration) uint32 {
	return uint32((at + w.interval - 1) / w.interval)
}

// cutNext has the source make a fragment.
func (w *world) cutNext() {
	seq := w.cut
	w.cut++
	w.q.add(event{at: w.cutAt(w.cut), kind: evCut})
	source := w.peers[0]
	source.store.put(seq)
	if w.off {
		w.direct(seq)
		return
	}
	w.handle(source, swarm.PieceMade{Header: w.header(seq), Size: w.sc.Stream.Piece})
}

func (w *world) header(seq uint32) wire.PieceHeader {
	length := uint64(w.interval.Microseconds())
	return wire.PieceHeader{
		Epoch: epoch, Track: track, Key: seq%w.keyEvery == 0, Seq: wire.Seq(seq), Count: 1,
		Base: uint64(seq) * length, Duration: uint32(length),
		Wall: int64(epoch) + w.cutAt(seq).Milliseconds(),
	}
}

// handle gives an event to a peer's machine and carries out its commands.
func (w *world) handle(p *peer, ev swarm.Event) {
	for _, c := range p.machine.Handle(w.q.now, ev) {
		w.do(p, c)
	}
}

func (w *world) do(p *peer, c swarm.Command) {
	switch c := c.(type) {
	case swarm.SendPiece:
		w.sendPiece(p, c)
	case swarm.Send:
		w.send(p, c)
	case swarm.Wake:
		p.wake++
		w.q.add(event{at: c.At, kind: evTick, to: p.index, arg: p.wake})
	case swarm.Deliver:
		p.player.deliver(w, p, uint32(c.Seq))
	case swarm.Missed:
		p.player.miss(w)
	case swarm.Dial:
		w.dial(p, indexOf(c.Peer.ID))
	case swarm.Drop:
		if l := p.link(indexOf(c.Peer)); l != nil {
			w.hangUp(p, w.peers[l.peer], l.session)
		} else {
			w.violate("session dropped that is not there")
		}
	case swarm.WantPeers:
		w.q.add(event{at: w.q.now + trackerTime, kind: evTracker, to: p.index, arg: uint32(c.N)})
	}
}

// violate notes that the machine has asked for something impossible.
func (w *world) violate(text string) {
	if w.m.violations++; w.m.violations == 1 {
		w.m.violation = fmt.Sprintf("%v: %s", w.q.now, text)
	}
}

func (w *world) send(p *peer, c swarm.Send) {
	l := p.link(indexOf(c.Peer))
	if l == nil {
		w.violate("message to a peer without a session")
		return
	}
	w.scratch = wire.Append(w.scratch[:0], c.Msg)
	size := len(w.scratch)
	if w.q.now >= w.sc.Warmup {
		w.m.control += uint64(size)
	}
	at, again := w.arrival(p, w.peers[l.peer], p.up.pass(w.q.now, size), size)
	p.up.pass(w.q.now, again)
	l.control = max(l.control, at)
	w.q.add(event{at: l.control, kind: evMessage, from: p.index, to: l.peer, session: l.session, msg: c.Msg})
}

func (w *world) sendPiece(p *peer, c swarm.SendPiece) {
	l := p.link(indexOf(c.Peer))
	seq := uint32(c.ID.Seq)
	switch {
	case l == nil:
		w.violate("piece to a peer without a session")
		return
	case !p.store.has(seq):
		w.violate("piece sent that is not there")
		return
	case max(p.up.free, w.q.now) > c.Expires:
		w.m.expired++
		return
	}
	size := w.sc.Stream.Piece + wire.PieceOverhead
	at, again := w.arrival(p, w.peers[l.peer], p.up.send(w.q.now, size), size)
	p.up.send(w.q.now, again)
	last := &l.pieces
	if c.Via != wire.Push {
		last = &l.repairs
	}
	if c.Via != wire.Repair {
		p.owed += int64(size)
	}
	*last = max(*last, at)
	w.q.add(event{
		at: *last, kind: evPiece, from: p.index, to: l.peer, session: l.session,
		arg: seq, via: c.Via, bad: p.bad,
	})
}

func (w *world) pieceIn(from, to *peer, e *event) {
	if e.bad {
		w.evict(from, to)
		return
	}
	fresh := to.store.put(e.arg)
	if to.role == wire.RoleViewer {
		w.arrived(from, to, e.via, w.sc.Stream.Piece, fresh)
		if fresh {
			to.player.live(w, e.arg)
		}
	}
	w.handle(to, swarm.PieceIn{
		Peer: w.id(e.from), Header: w.header(e.arg), Size: w.sc.Stream.Piece, Via: e.via, New: fresh,
	})
}

// evict lets a peer go that has sent a piece with a bad signature. The tracker
// checks the piece and names the peer to nobody any more.
func (w *world) evict(from, to *peer) {
	w.m.badPieces++
	w.m.evicted++
	w.m.bad += uint64(w.sc.Stream.Piece)
	to.banned = append(to.banned, ban{from.index, w.q.now + banTime})
	w.tracker.reported[from.index] = true
	w.handle(to, swarm.PieceBad{Peer: w.id(from.index)})
	if l := to.link(from.index); l != nil {
		w.hangUp(to, from, l.session)
	}
}
