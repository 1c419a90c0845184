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

// fedLeaf returns one whose uplink carries nobody.
func fedLeaf(t *testing.T, seq *wire.Seq) *bench {
	b := fedByEdge(t, seq)
	b.do(CatalogSet{Epoch: testEpoch, Tracks: []TrackInfo{
		{ID: 1, Kind: wire.Video, Substreams: 2, Timescale: 1000, Bitrate: 3_000_000},
	}})
	b.do(Capacity{Uplink: 100_000})
	return b
}

// A weak line moves from an edge's places to others one after another: moves leave it no room for acknowledgements.
func TestLeafMovesSeldom(t *testing.T) {
	var seq wire.Seq
	b := fedLeaf(t, &seq)
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

// A weak line that is fed dials one viewer after another, and as often as it likes
// while it misses a parent: who has just come and finds the edge full plays nothing else.
func TestLeafDialsSeldom(t *testing.T) {
	var seq wire.Seq
	b := fedLeaf(t, &seq)
	var infos []wire.PeerInfo
	for i := range byte(40) {
		infos = append(infos, wire.PeerInfo{ID: wire.PeerID{0xd0, i}, Role: wire.RoleViewer})
	}
	b.take()
	b.do(Introduced{Peers: infos})
	dials := func(d time.Duration) (n int) {
		for end := b.now + d; b.now < end; {
			b.live(100*time.Millisecond, &seq, 0, false)
			for _, d := range of[Dial](b.take()) {
				n++
				b.do(DialFailed{Peer: d.Peer.ID})
			}
		}
		return n
	}
	most := int(10*time.Second/leafDialEvery) + 1
	if n := dials(10 * time.Second); n == 0 || n > most {
		t.Errorf("%d dials in 10 s, want at most %d", n, most)
	}
	b.do(Received{Peer: edgeA, Msg: &wire.Refuse{Epoch: testEpoch, Tree: wire.Tree{Track: 1}, Reason: wire.RefuseFull}})
	if n := dials(time.Second); n < 5 {
		t.Errorf("%d dials in the second after a parent has sent it away", n)
	}
}

// Where few have fast lines it is chance which trees are their homes.
func TestFanoutOfFastLines(t *testing.T) {
	for _, tt := range []struct {
		uplink int64
		want   int
	}{{0, 4}, {1_000_000, 4}, {5_000_000, 4}, {20_000_000, 16}, {1_000_000_000, maxFanout}} {
		m := New(Config{Uplink: tt.uplink})
		m.tracks = []*track{{size: 300}, {size: 12 << 10}}
		if got := m.fanout(); got != tt.want {
			t.Errorf("%d children in a tree at %d bit/s, want %d", got, tt.uplink, tt.want)
		}
	}
}

// TestFanoutByPieces halves the pieces: twice as many children get theirs in the same time.
func TestFanoutByPieces(t *testing.T) {
	m := New(Config{Uplink: 20_000_000})
	m.tracks = []*track{{size: 6 << 10}}
	if got := m.fanout(); got != 32 {
		t.Errorf("%d children in a tree, want 32", got)
	}
}

// talk lets time pass while some neighbours say that they live.
func (b *bench) talk(d time.Duration, ids ...wire.PeerID) {
	for end := b.now + d; b.now < end; {
		for _, id := range ids {
			b.beat(id)
		}
		b.pass(100 * time.Millisecond)
	}
}

// A crowd of newcomers, each of whom would carry more in a tree than those who
// have places there, moves them one at a time, and nobody who has just come.
func TestOneIsMovedAtATime(t *testing.T) {
	b := playing(t)
	tr := b.m.trees[0]
	var settled, crowd []wire.PeerID
	for i := byte(10); len(settled) < leastFanout || len(crowd) < 2; i++ {
		switch id := (wire.PeerID{i}); {
		case tr.isHome(id.PathID()):
			crowd = append(crowd, id)
		default:
			settled = append(settled, id)
		}
	}
	settled, crowd = settled[:leastFanout], crowd[:2]
	knock := func(id wire.PeerID) (taken bool, moved []wire.PeerID) {
		b.take()
		b.do(Received{Peer: id, Msg: &wire.Subscribe{Epoch: testEpoch, Tree: tr.id, From: 21}})
		for _, a := range sent[*wire.Accept](b.take()) {
			if a.msg.Temporary {
				moved = append(moved, a.peer)
			} else {
				taken = taken || a.peer == id
			}
		}
		return taken, moved
	}
	for _, id := range append(settled, crowd...) {
		b.up(id, wire.RoleViewer)
	}
	for _, id := range settled {
		if taken, _ := knock(id); !taken {
			t.Fatalf("%v was not taken", id[0])
		}
	}
	all := append(append(settled, crowd...), peerB)
	b.talk(movedAgain/2, all...)
	if taken, _ := knock(crowd[0]); taken {
		t.Error("somebody was moved who had just come")
	}
	b.talk(movedAgain, all...)
	taken, moved := knock(crowd[0])
	if !taken || len(moved) != 1 {
		t.Fatalf("taken: %v, and %d were moved", taken, len(moved))
	}
	if taken, _ := knock(crowd[1]); taken {
		t.Error("two were moved at once")
	}
	b.do(Received{Peer: moved[0], Msg: &wire.Unsubscribe{Epoch: testEpoch, Tree: tr.id}})
	if taken, moved := knock(crowd[1]); !taken || len(moved) != 1 {
		t.Errorf("then taken: %v, and %d were moved", taken, len(moved))
	}
}

// Who has uplink left is asked for what is missing before who is nearer and full.
func TestIdleIsAskedFirst(t *testing.T) {
	b := playing(t)
	b.do(PeerUp{Peer: peerD, Role: wire.RoleViewer, RTT: 60 * time.Millisecond})
	for id, free := range map[wire.PeerID]uint8{peerC: 0, peerD: 1} {
		h := &wire.Heartbeat{Epoch: testEpoch, Slots: 10}
		for s := range wire.Substream(2) {
			h.Trees = append(h.Trees, wire.TreeState{Tree: wire.Tree{Track: 1, Substream: s}, Free: free, Path: []wire.PathID{{77}}})
		}
		b.do(Received{Peer: id, Msg: h})
		b.have(id, 24, 21, true)
	}
	b.piece(peerB, 21, wire.Push)
	b.piece(peerB, 24, wire.Push) // of the same tree as 22
	b.pass(90 * time.Millisecond)
	requests := sent[*wire.Request](b.take())
	if len(requests) == 0 || requests[0].peer != peerD {
		t.Errorf("requests %+v, want one to D", requests)
	}
}

// A viewer that has yet to start does so at the newest key frame of which it
// hears, if that exists, and asks for nothing before it.
func TestStartsAtTheNewestKeyFrame(t *testing.T) {
	b := newBench(t, Config{})
	b.up(peerB, wire.RoleViewer)
	b.have(peerB, 25, 10, true)
	b.piece(peerB, 25, wire.Push)
	b.up(peerC, wire.RoleViewer)
	b.have(peerC, 40, 30, true) // nothing that was signed shows that there is a 30
	if first := b.m.tracks[0].first; first != 10 {
		t.Fatalf("begins at %d", first)
	}
	b.have(peerC, 25, 20, true)
	b.take()
	b.pass(2 * time.Second)
	for _, r := range sent[*wire.Request](b.take()) {
		for _, id := range r.msg.IDs {
			if id.Seq < 20 {
				t.Errorf("fragment %d was asked for", id.Seq)
			}
		}
	}
	for seq := wire.Seq(20); seq < 25; seq++ {
		b.piece(peerB, seq, wire.Repair)
	}
	if got := deliveries(b.take()); len(got) != 6 || got[0] != 20 {
		t.Errorf("delivered %v", got)
	}
}

// TestAudioStartsWithTheVideo has all of the video come before any audio: the player has
// shown a second of it when the first sound is there.
func TestAudioStartsWithTheVideo(t *testing.T) {
	b := newBench(t, Config{})
	b.do(CatalogSet{Epoch: testEpoch + 1, Tracks: []TrackInfo{
		{ID: 1, Kind: wire.Video, Substreams: 1, Timescale: 1000},
		{ID: 2, Kind: wire.Audio, Substreams: 1, Timescale: 1000},
	}})
	b.do(PeerUp{Peer: edgeA, Role: wire.RoleEdge, RTT: time.Millisecond})
	have := &wire.Have{Epoch: testEpoch + 1}
	for i, newest := range []wire.Seq{30, 10} {
		th := wire.TrackHave{Track: wire.TrackID(i + 1), Newest: newest}
		for range newest + 1 {
			th.Fragments = append(th.Fragments, wire.FragmentHave{Count: 2})
		}
		have.Tracks = append(have.Tracks, th)
	}
	b.do(Received{Peer: edgeA, Msg: have})
	piece := func(track wire.TrackID, seq wire.Seq, i uint16, length uint32) {
		b.do(PieceIn{Peer: edgeA, Via: wire.Repair, New: true, Size: 1000, Header: wire.PieceHeader{
			Epoch: testEpoch + 1, Track: track, Key: seq%30 == 0, Seq: seq, Index: i, Count: 2,
			Base: uint64(seq) * uint64(length), Duration: length,
		}})
	}
	for seq := wire.Seq(0); seq < 30; seq++ {
		piece(1, seq, 0, 33)
		piece(1, seq, 1, 33)
	}
	piece(1, 30, 0, 33) // of which a half is to come
	for seq := wire.Seq(0); seq <= 10; seq++ {
		piece(2, 10-seq, 0, 100)
		piece(2, 10-seq, 1, 100)
	}
	var audio []wire.Seq
	for _, d := range of[Deliver](b.take()) {
		if d.Track == 2 {
			audio = append(audio, d.Seq)
		}
	}
	if len(audio) != 11 || audio[0] != 0 {
		t.Errorf("audio delivered: %v, want all from 0 on", audio)
	}
}

// Who has just come gets no place where much waits to be sent, and who is known
// for long does: it may have lost its parent.
func TestNewcomersGiveWayToAQueue(t *testing.T) {
	b := playing(t)
	b.do(CatalogSet{Epoch: testEpoch, Tracks: []TrackInfo{
		{ID: 1, Kind: wire.Video, Substreams: 2, Timescale: 1000, Bitrate: 1_000_000},
	}})
	b.do(Capacity{Uplink: 6_000_000})
	reason := func(id wire.PeerID) wire.RefuseReason {
		return b.m.refusal(b.m.trees[0], b.m.find(id), &wire.Subscribe{})
	}
	if got := reason(peerC); got != 0 {
		t.Fatalf("refused without a queue: %v", got)
	}
	b.m.spend(100_000)
	if got := reason(peerC); got != wire.RefuseBusy {
		t.Errorf("a newcomer is refused for %v", got)
	}
	b.talk(newcomerTime, peerB, peerC)
	b.m.spend(100_000)
	if got := reason(peerC); got != 0 {
		t.Errorf("who is known for long is refused for %v", got)
	}
}

// A weak line has room for one handshake in some seconds: it is named the same viewer in all trees.
func TestNamedTheSameInAllTrees(t *testing.T) {
	b := newBench(t, Config{Role: wire.RoleEdge, Gate: 1, EdgeChildren: 1})
	b.do(PeerUp{Peer: peerC, Role: wire.RoleSource})
	b.do(Received{Peer: peerC, Msg: &wire.Heartbeat{Epoch: testEpoch, Slots: 10}})
	b.pass(idleTick)
	for _, s := range sent[*wire.Subscribe](b.take()) {
		b.do(Received{Peer: s.peer, Msg: &wire.Accept{Epoch: testEpoch, Tree: s.msg.Tree}})
	}
	for i := range byte(20) {
		id := wire.PeerID{0xd0 + i, 1}
		b.do(PeerUp{Peer: id, Role: wire.RoleViewer})
		h := &wire.Heartbeat{Epoch: testEpoch, Slots: 10}
		for s := range wire.Substream(2) {
			h.Trees = append(h.Trees, wire.TreeState{Tree: wire.Tree{Track: 1, Substream: s}, Free: 5})
		}
		b.do(Received{Peer: id, Msg: h})
	}
	seekers := []wire.PeerID{{0xe0, 2}, {0x10, 3}, {0xff, 4}}
	for _, id := range seekers {
		b.do(PeerUp{Peer: id, Role: wire.RoleViewer})
		b.do(Received{Peer: id, Msg: &wire.Heartbeat{Epoch: testEpoch}})
		for s := range wire.Substream(2) {
			b.do(Received{Peer: id, Msg: &wire.Subscribe{Epoch: testEpoch, Tree: wire.Tree{Track: 1, Substream: s}}})
		}
	}
	var commands list
	b.m.out = &commands
	for _, tr := range b.m.trees {
		b.m.nameParents(tr)
	}
	named := map[wire.PeerID]map[wire.PeerID]int{}
	for _, s := range sent[*wire.Accept](commands) {
		if named[s.peer] == nil {
			named[s.peer] = map[wire.PeerID]int{}
		}
		named[s.peer][s.msg.Others[0].ID]++
	}
	for _, id := range seekers {
		if len(named[id]) != 1 {
			t.Errorf("%v is named %v", id[0], named[id])
		}
	}
}
