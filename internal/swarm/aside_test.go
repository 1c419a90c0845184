// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"testing"
	"time"

	"p2plive/internal/wire"
)

// live lets time pass while an edge feeds the viewer in both trees, in temporary
// places, and B says in each heartbeat what the test has it say.
func (b *bench) live(d time.Duration, seq *wire.Seq, free uint8, aside bool) {
	for end := b.now + d; b.now < end; *seq++ {
		b.piece(edgeA, *seq, wire.Push)
		h := &wire.Heartbeat{Epoch: testEpoch, Slots: 10}
		for s := range wire.Substream(2) {
			h.Trees = append(h.Trees, wire.TreeState{
				Tree: wire.Tree{Track: 1, Substream: s}, Free: free, Aside: aside, Path: []wire.PathID{{77}},
			})
		}
		b.do(Received{Peer: peerB, Msg: h})
		b.pass(100 * time.Millisecond)
	}
}

// fedByEdge returns a viewer in temporary places at an edge, with B beside.
func fedByEdge(t *testing.T, seq *wire.Seq) *bench {
	b := newBench(t, Config{})
	b.up(edgeA, wire.RoleEdge)
	b.have(edgeA, 0, 0, true)
	b.pass(200 * time.Millisecond)
	for _, s := range sent[*wire.Subscribe](b.take()) {
		b.do(Received{Peer: s.peer, Msg: &wire.Accept{
			Epoch: testEpoch, Tree: s.msg.Tree, Temporary: true, Path: []wire.PathID{{77}},
		}})
	}
	b.up(peerB, wire.RoleViewer)
	b.live(100*time.Millisecond, seq, 0, false)
	b.take()
	if n := b.m.Stats().Temporary; n != 2 {
		t.Fatalf("%d temporary places", n)
	}
	return b
}

// Who is fed moves nobody aside, and takes what is free.
func TestNobodyIsMovedForTheFed(t *testing.T) {
	var seq wire.Seq
	b := fedByEdge(t, &seq)
	b.live(10*time.Second, &seq, 1, true)
	if n := len(sent[*wire.Subscribe](b.take())); n != 0 {
		t.Errorf("%d times was somebody to be moved aside", n)
	}
	b.live(4*time.Second, &seq, 1, false)
	if len(sent[*wire.Subscribe](b.take())) == 0 {
		t.Error("a free place was not taken")
	}
}

// Refusals make who is fed patient.
func TestRefusalsMakePatient(t *testing.T) {
	var seq wire.Seq
	b := fedByEdge(t, &seq)
	asked := func(d time.Duration) (n int) {
		for end := b.now + d; b.now < end; {
			b.live(100*time.Millisecond, &seq, 1, false)
			for _, s := range sent[*wire.Subscribe](b.take()) {
				n++
				b.do(Received{Peer: peerB, Msg: &wire.Refuse{Epoch: testEpoch, Tree: s.msg.Tree, Reason: wire.RefuseFull}})
			}
		}
		return n
	}
	first := asked(30 * time.Second)
	if later := asked(time.Minute); first == 0 || later > 12 {
		t.Errorf("asked %d times in 30 s, and %d in the minute after", first, later)
	}
}

// Shortly before a piece is given up an edge is asked, although a viewer has it
// that has been asked in vain.
func TestLastCall(t *testing.T) {
	b := playing(t)
	begun := b.now
	for seq := wire.Seq(22); seq < 34; seq++ {
		b.piece(peerB, seq, wire.Push) // 21 is overtaken
		b.have(peerB, seq, 21, true)
		b.have(peerC, seq, 21, true)
		b.have(edgeA, seq, seq, false)
		b.pass(100 * time.Millisecond)
		for _, r := range sent[*wire.Request](b.take()) {
			if r.peer != edgeA || r.msg.IDs[0].Seq != 21 {
				continue
			}
			if left := defaultPlayDelay - (b.now - begun); left < 200*time.Millisecond {
				t.Errorf("the edge was asked with %v left", left)
			}
			return
		}
	}
	t.Error("the edge was not asked")
}
