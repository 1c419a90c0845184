// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"testing"
	"time"

	"p2plive/internal/wire"
)

var (
	peerD = wire.PeerID{4}
	peerE = wire.PeerID{5}
)

// fedBy returns a viewer that plays and that B feeds in both trees; C, D and E
// are its other neighbours.
func fedBy(t *testing.T) *bench {
	b := newBench(t, Config{})
	b.up(peerB, wire.RoleViewer)
	b.have(peerB, 0, 0, true)
	b.piece(peerB, 0, wire.Repair)
	b.pass(20 * time.Millisecond)
	b.acceptAll()
	b.piece(peerB, 1, wire.Push)
	for _, id := range []wire.PeerID{peerC, peerD, peerE} {
		b.up(id, wire.RoleViewer)
	}
	b.pass(10 * time.Millisecond)
	if n := b.m.Stats().Attached; n != 2 {
		t.Fatalf("%d places", n)
	}
	b.take()
	return b
}

// beat has a neighbour say that it lives.
func (b *bench) beat(id wire.PeerID) {
	b.do(Received{Peer: id, Msg: &wire.Heartbeat{Epoch: testEpoch, Slots: 10}})
}

// Whoever feeds, or is fed, hears something all the time, so that its silence says that it has gone.
func TestKinAreKeptWarm(t *testing.T) {
	b := fedBy(t)
	b.do(Received{Peer: peerC, Msg: &wire.Subscribe{Epoch: testEpoch, Tree: wire.Tree{Track: 1}, From: 2}})
	last := map[wire.PeerID]time.Duration{}
	heard := func() {
		for _, c := range b.take() {
			if s, ok := c.(Send); ok {
				last[s.Peer] = b.now
			}
		}
	}
	heard()
	for range 100 {
		b.beat(peerB)
		b.beat(peerC)
		b.pass(10 * time.Millisecond)
		heard()
		for _, id := range []wire.PeerID{peerB, peerC} {
			if quiet := b.now - last[id]; quiet > kinEvery+2*busyTick {
				t.Fatalf("%v has heard nothing for %v", id[0], quiet)
			}
		}
	}
}

// A parent that starves says so, and stays; one that says nothing is left, soon,
// whether or not anything is known to be missing.
func TestSilenceIsTakenForDeath(t *testing.T) {
	b := fedBy(t)
	for range 20 {
		b.beat(peerB)
		b.beat(peerC)
		b.pass(kinEvery / 2)
	}
	if n := b.m.Stats().Moves.Total(); n != 0 || len(sent[*wire.Subscribe](b.take())) > 0 {
		t.Fatalf("a living parent was left, %d moves", n)
	}
	for end := b.now + silentAfter + 2*busyTick; b.now < end; {
		b.beat(peerC)
		b.pass(20 * time.Millisecond)
	}
	if n := len(sent[*wire.Subscribe](b.take())); n != 2 {
		t.Errorf("%d of 2 trees look for another parent", n)
	}
}

// Those that have died together with the parent are not asked for a place, and of the
// others first who has what is missing.
func TestOrphansAskTheLiving(t *testing.T) {
	b := fedBy(t)
	for end := b.now + silentAfter - 20*time.Millisecond; b.now < end; {
		b.beat(peerC)
		b.pass(20 * time.Millisecond)
	}
	b.have(peerD, 3, 2, true)
	b.have(peerC, 3, 2, false) // it has 3 at best in part, and E says nothing
	b.pass(3 * busyTick)
	asked := sent[*wire.Subscribe](b.take())
	if len(asked) != 2 {
		t.Fatalf("%d of 2 trees look for another parent", len(asked))
	}
	for _, s := range asked {
		if s.peer != peerD || s.msg.From > 2 {
			t.Errorf("asked %v to push from %d", s.peer[0], s.msg.From)
		}
	}
	// D does not answer: the next one is asked soon.
	for end := b.now + orphanTimeout + 4*busyTick; b.now < end; {
		b.beat(peerC)
		b.pass(20 * time.Millisecond)
	}
	for _, s := range sent[*wire.Subscribe](b.take()) {
		if s.peer != peerC {
			t.Errorf("then asked %v", s.peer[0])
		}
	}
}

// In a tree where all is late, pieces are expected until it is too late for them. Neighbours, and then the edge,
// are asked in time for a player whose clock was set by the quickest piece.
func TestAskedInTimeThoughExpected(t *testing.T) {
	b := playing(t)
	tr := b.m.trees[0]
	tr.late = delayMeter{mean: 500 * time.Millisecond, dev: 500 * time.Millisecond, any: true}
	track := tr.track
	track.lag = lagMeter{any: true, seq: 30, best: b.now.Milliseconds() - 400} // at best it would have come 400 ms ago
	f := &fragment{seq: 30, seen: b.now, open: &quest{proved: b.now, isProof: true}}
	late := b.m.expected(tr, f, 0) - b.now
	due, call := b.m.due(tr, f, 0)-b.now, b.m.lastCall(tr, f)-b.now
	if late < maxPatience || call != defaultPlayDelay-lastCallTime-400*time.Millisecond || due != call-beforeLastCall {
		t.Errorf("expected for %v, asked for after %v, last call after %v", late, due, call)
	}
	track.lag.last = 2 * defaultPlayDelay // the whole stream is late, or the source's clock was set
	if call := b.m.lastCall(tr, f) - b.now; call != defaultPlayDelay-lastCallTime {
		t.Errorf("after an outage the last call is after %v", call)
	}
}
