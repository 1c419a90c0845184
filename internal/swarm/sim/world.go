// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"math/rand/v2"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// world is one run. Peer 0 is the source, edges follow, then viewers. What it
// holds changes between windows only, but for what belongs to one peer.
type world struct {
	sc       Scenario
	off      bool // viewers get everything from an edge without limits
	rng      *rand.Rand
	g        *engine
	net      network
	peers    []*peer
	sites    []site // by peer
	tracker  tracker
	m        metrics
	progress func(time.Duration, Second) error

	firstsFrom time.Duration // first pictures count for who comes after
	interval   time.Duration
	keyEvery   uint32
	catalog    []swarm.TrackInfo

	coming  []uint32 // viewers that are still to come, in this order
	faults  []Fault  // that are still to happen
	seconds time.Duration
	joins   time.Duration
}

// part is a worker's part of the world.
type part struct {
	w       *world
	m       metrics
	wants   []want
	scratch []byte
	haveOut wire.Have // that a machine fills
	haveIn  wire.Have // that a machine reads
	beatIn  wire.Heartbeat
	ahead   []*swarm.Machine // to be read
}

const (
	track     = wire.TrackID(1)
	epoch     = wire.Epoch(1_700_000_000_000)
	timescale = 1_000_000
)

// run processes events until the end, or until somebody has seen enough.
func (w *world) run() error {
	if err := w.g.run(w.sc.Duration, w.between); err != nil {
		return err
	}
	k := w.g.workers[0]
	for _, p := range w.peers {
		if p.role == wire.RoleViewer && p.alive {
			k.m.gone(w, p, w.sc.Duration)
			if !p.player.began && w.sc.Duration-p.came > settle {
				k.m.waiting++
			}
		}
	}
	for _, k := range w.g.workers {
		w.m.take(&k.m)
	}
	w.m.waiting += w.tracker.outside + w.tracker.control.Stats(w.sc.Duration).Waiting
	return nil
}

// between does what belongs to no peer, before a window is run.
func (w *world) between(now time.Duration) error {
	k := w.g.workers[0]
	for len(w.faults) > 0 && w.faults[0].At <= now {
		k.fault(w.faults[0])
		w.faults = w.faults[1:]
	}
	if !w.off && w.joins <= now {
		w.joins += joinsEvery
		k.admit()
	}
	for len(w.coming) > 0 && w.peers[w.coming[0]].came <= now {
		k.knock(w.coming[0])
		w.coming = w.coming[1:]
	}
	k.answer()
	if w.seconds+time.Second <= now {
		w.seconds += time.Second
		return w.second(now)
	}
	return nil
}

// readAhead has the memory of peers come together, before they are run one
// after another: see swarm.ReadAhead.
func (w *world) readAhead(k *worker, peers []uint32) int {
	sum := 0
	k.ahead = k.ahead[:0]
	for _, i := range peers {
		p := w.peers[i]
		sum += int(p.up.free) + int(p.player.judged) + int(p.player.stalled) + int(p.store.next)
		if p.machine != nil {
			k.ahead = append(k.ahead, p.machine)
		}
	}
	for _, i := range peers {
		for j, l := range w.peers[i].links.list {
			sum += int(l.session) + int(w.peers[i].links.sent[j].control)
		}
	}
	return sum + swarm.ReadAhead(k.ahead)
}

// event does what happens to a peer.
func (w *world) event(k *worker, e *event) {
	to := w.peers[e.to]
	if !to.alive && e.kind != evEnter && e.kind != evOpen {
		return
	}
	switch e.kind {
	case evTick:
		k.handle(to, swarm.Tick{})
	case evMessage, evHave, evBeat:
		k.messageIn(to, e)
	case evPiece:
		if w.off {
			k.directPiece(to, e)
		} else if to.links.open(e.from, e.session) {
			k.pieceIn(to, e)
		}
	case evCut:
		k.cut(to, e.arg)
	case evEnter:
		k.enter(to)
	case evLeave:
		k.leave(to)
	case evDial:
		k.dialled(to, e)
	case evOpen:
		if w.off {
			k.directOpen(to, e.session)
			return
		}
		k.opened(to, e)
	case evClosed:
		if to.links.remove(e.from, e.session) {
			k.handle(to, swarm.PeerDown{Peer: id(e.from)})
		}
	case evFailed:
		k.dialFailed(to, e)
	case evNames:
		k.handle(to, swarm.Introduced{Peers: (*e.msg).(*wire.Peers).Peers})
	}
}

// cause has something happen to a peer that it, or nobody, has caused.
func (k *worker) cause(p *peer, e event) {
	k.send(p, p.index, &e)
}

// send has something happen to a peer that another one has caused.
func (k *worker) send(from *peer, to uint32, e *event) {
	from.caused++
	e.from, e.to, e.seq = from.index, to, from.caused
	k.post(e)
}

// cutAt returns when a fragment is cut.
func (w *world) cutAt(seq uint32) time.Duration { return time.Duration(seq) * w.interval }

// firstAfter returns the first fragment that is not cut before a time.
func (w *world) firstAfter(at time.Duration) uint32 {
	return uint32((at + w.interval - 1) / w.interval)
}

// cut has the source make a fragment.
func (k *worker) cut(source *peer, seq uint32) {
	w := k.w
	k.cause(source, event{at: w.cutAt(seq + 1), kind: evCut, arg: seq + 1})
	source.store.put(seq)
	if !w.off {
		k.handle(source, swarm.PieceMade{Header: w.header(seq), Size: w.sc.Stream.Piece})
	}
}

func (w *world) header(seq uint32) wire.PieceHeader {
	length := uint64(w.interval.Microseconds())
	return wire.PieceHeader{
		Epoch: epoch, Track: track, Key: seq%w.keyEvery == 0, Seq: wire.Seq(seq), Count: 1,
		Base: uint64(seq) * length, Duration: uint32(length),
		Wall: int64(epoch) + w.cutAt(seq).Milliseconds(),
	}
}
