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

// What an edge names is free to nobody else: to be patient would leave it empty.
func TestNamedPlaceIsAskedForAtOnce(t *testing.T) {
	var seq wire.Seq
	b := fedByEdge(t, &seq)
	for range 20 { // refusals make it wait for 16 s and more
		b.live(2*time.Second, &seq, 1, false)
		for _, s := range sent[*wire.Subscribe](b.take()) {
			b.do(Received{Peer: peerB, Msg: &wire.Refuse{Epoch: testEpoch, Tree: s.msg.Tree, Reason: wire.RefuseFull}})
		}
	}
	b.live(1500*time.Millisecond, &seq, 1, false) // a refusal's penalty
	b.take()
	for s := range wire.Substream(2) {
		b.do(Received{Peer: edgeA, Msg: &wire.Accept{
			Epoch: testEpoch, Tree: wire.Tree{Track: 1, Substream: s}, Temporary: true, Path: []wire.PathID{{77}},
			Others: []wire.PeerInfo{{ID: peerB, Role: wire.RoleViewer}},
		}})
	}
	b.live(namedTime+200*time.Millisecond, &seq, 1, false)
	if n := len(sent[*wire.Subscribe](b.take())); n != 2 {
		t.Errorf("%d of 2 places were asked for", n)
	}
}

// A weak line moves from an edge's places to others one after another: moves leave it no room for acknowledgements.
func TestLeafMovesSeldom(t *testing.T) {
	var seq wire.Seq
	b := fedByEdge(t, &seq)
	b.do(CatalogSet{Epoch: testEpoch, Tracks: []TrackInfo{
		{ID: 1, Kind: wire.Video, Substreams: 2, Timescale: 1000, Bitrate: 3_000_000},
	}})
	b.do(Capacity{Uplink: 100_000})
	b.take()
	b.live(leafMoveEvery-100*time.Millisecond, &seq, 1, false)
	first := len(sent[*wire.Subscribe](b.take()))
	for _, d := range []time.Duration{leafMoveEvery, leafMoveEvery, leafMoveEvery} {
		b.live(d, &seq, 1, false)
	}
	if later := len(sent[*wire.Subscribe](b.take())); first > 1 || first+later == 0 || later > 3 {
		t.Errorf("%d moves in %v, and %d in three times that", first, leafMoveEvery, later)
	}
}

func TestLeafDialsSeldom(t *testing.T) {
	b := newLeaf(t)
	b.up(edgeA, wire.RoleEdge)
	b.have(edgeA, 0, 0, true)
	var infos []wire.PeerInfo
	for i := range byte(20) {
		infos = append(infos, wire.PeerInfo{ID: wire.PeerID{0xd0, i}, Role: wire.RoleViewer})
	}
	b.do(Introduced{Peers: infos})
	dials := 0
	for range 100 {
		b.pass(100 * time.Millisecond)
		for _, d := range of[Dial](b.take()) {
			dials++
			b.do(DialFailed{Peer: d.Peer.ID})
		}
	}
	if most := int(10*time.Second/leafDialEvery) + 1; dials == 0 || dials > most {
		t.Errorf("%d dials in 10 s, want at most %d", dials, most)
	}
}

// Where few have fast lines it is chance which trees are their homes.
func TestFanoutOfFastLines(t *testing.T) {
	for _, tt := range []struct {
		uplink int64
		want   int
	}{{0, 4}, {1_000_000, 4}, {5_000_000, 4}, {20_000_000, 16}, {1_000_000_000, maxFanout}} {
		if got := New(Config{Uplink: tt.uplink}).fanout(); got != tt.want {
			t.Errorf("%d children in a tree at %d bit/s, want %d", got, tt.uplink, tt.want)
		}
	}
}
