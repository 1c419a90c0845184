// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"testing"
	"time"

	"p2plive/internal/wire"
)

// newLeaf is a viewer whose uplink carries nobody.
func newLeaf(t *testing.T) *bench {
	b := newBench(t, Config{Uplink: 100_000})
	b.do(CatalogSet{Epoch: testEpoch, Tracks: []TrackInfo{
		{ID: 1, Kind: wire.Video, Substreams: 2, Timescale: 1000, Bitrate: 3_000_000},
	}})
	return b
}

// newFed returns one that carries others, with an edge as its parent.
func newFed(t *testing.T) *bench {
	b := newLeaf(t)
	b.do(Capacity{Uplink: 4_000_000})
	b.up(edgeA, wire.RoleEdge)
	b.have(edgeA, 0, 0, true)
	b.pass(200 * time.Millisecond)
	b.acceptAll()
	return b
}

func TestLeafIsMute(t *testing.T) {
	b := newLeaf(t)
	b.up(edgeA, wire.RoleEdge)
	b.up(peerB, wire.RoleViewer)
	for seq := range wire.Seq(60) {
		b.piece(edgeA, seq, wire.Push)
		b.pass(30 * time.Millisecond)
	}
	out := b.take()
	if n := len(sent[*wire.Have](out)); n > 0 {
		t.Errorf("%d have-maps were sent: nobody asks a leaf", n)
	}
	beats := sent[*wire.Heartbeat](out)
	if len(beats) == 0 {
		t.Error("nobody hears that it is alive")
	}
	for _, beat := range beats {
		if beat.msg.Slots != 0 {
			t.Errorf("%d slots are claimed", beat.msg.Slots)
		}
	}
	// It is a leaf no more as soon as its uplink carries a child.
	b.do(Capacity{Uplink: 10_000_000})
	b.pass(time.Second)
	if len(sent[*wire.Have](b.take())) == 0 {
		t.Error("no have-map was sent with an uplink of 10 Mbit/s")
	}
}

// Who becomes a leaf says so at once: its parent hears little of it from then on, and
// would take it for dead and push nothing until it has heard.
func TestParentHearsOfANewLeaf(t *testing.T) {
	b := newFed(t)
	b.pass(300 * time.Millisecond)
	for _, uplink := range []int64{100_000, 4_000_000} {
		b.take()
		b.do(Capacity{Uplink: uplink})
		b.pass(2 * busyTick)
		beats := sent[*wire.Heartbeat](b.take())
		if len(beats) != 1 || beats[0].peer != edgeA || (beats[0].msg.Slots == 0) != (uplink == 100_000) {
			t.Errorf("with %d bit/s %v was sent", uplink, beats)
		}
	}
}

// Children of a line that proves to carry none of them find others within a moment:
// what they were still sent would come late.
func TestChildrenOfAWeakLineAreSentAway(t *testing.T) {
	b := newFed(t)
	for i, child := range []wire.PeerID{peerB, peerC} {
		b.up(child, wire.RoleViewer)
		b.do(Received{Peer: child, Msg: &wire.Subscribe{
			Epoch: testEpoch, Tree: wire.Tree{Track: 1, Substream: wire.Substream(i)}, From: 1,
		}})
	}
	b.pass(100 * time.Millisecond)
	if n := b.m.Stats().Children; n != 2 {
		t.Fatalf("%d children", n)
	}
	b.take()
	b.do(Capacity{Uplink: 100_000})
	b.pass(busyTick)
	first := sent[*wire.Accept](b.take())
	if n := b.m.Stats().Children; n != 2 || len(first) != 1 || !first[0].msg.Temporary {
		t.Errorf("%d children are left before one could look for another parent; it was told %v", n, first)
	}
	for range 5 {
		b.do(Received{Peer: peerB, Msg: &wire.Heartbeat{Epoch: testEpoch}})
		b.do(Received{Peer: peerC, Msg: &wire.Heartbeat{Epoch: testEpoch}})
		b.pass(shedEvery / 2)
	}
	if n, told := b.m.Stats().Children, len(sent[*wire.Refuse](b.take())); n != 0 || told != 2 {
		t.Errorf("%d children are left, %d were told", n, told)
	}
}

// On a full line what is missing is late, and asking more often makes it later. What is older than a parent pushes is
// pushed by nobody: to ask for that costs little more than the request.
func TestAsksAreBoundedByTheUplink(t *testing.T) {
	asked := func(uplink int64, from wire.Seq) (n int) {
		b := newLeaf(t)
		b.do(Capacity{Uplink: uplink})
		b.up(edgeA, wire.RoleEdge)
		b.up(peerB, wire.RoleViewer)
		b.up(peerC, wire.RoleViewer)
		b.have(edgeA, 0, 0, true)
		b.pass(time.Second)
		b.acceptAll()
		for seq := range wire.Seq(10) {
			b.piece(edgeA, seq, wire.Push)
			b.pass(30 * time.Millisecond)
		}
		b.take()
		for _, tr := range b.m.trees {
			tr.from = from
		}
		// A hundred are overtaken, two neighbours have them, and none comes.
		b.have(peerB, 110, 0, true)
		b.have(peerC, 110, 0, true)
		b.piece(edgeA, 110, wire.Push)
		b.piece(edgeA, 111, wire.Push)
		b.pass(900 * time.Millisecond)
		for _, r := range sent[*wire.Request](b.take()) {
			n += len(r.msg.IDs)
		}
		return n
	}
	weak, strong, orphans := asked(30_000, 0), asked(100_000_000, 0), asked(30_000, 110)
	if most := 2 * minAsks; weak == 0 || weak > most {
		t.Errorf("%d pieces were asked for within a second with an uplink of 30 kbit/s, want at most %d", weak, most)
	}
	if orphans < 2*weak || orphans > 2*minAsks/orphanCost {
		t.Errorf("%d pieces that no parent pushes were asked for, and %d others", orphans, weak)
	}
	if strong <= weak {
		t.Errorf("%d pieces were asked for with an uplink of 100 Mbit/s", strong)
	}
}

// A handshake takes a sixth of a second of 128 kbit/s: who is fed on such a line dials viewers
// far more seldom than on a faster one.
func TestNarrowLeafDialsSeldom(t *testing.T) {
	dials := func(cfg Config, uplink int64) (n int) {
		b := newBench(t, cfg)
		b.do(CatalogSet{Epoch: testEpoch, Tracks: []TrackInfo{
			{ID: 1, Kind: wire.Video, Substreams: 2, Timescale: 1000, Bitrate: 3_000_000},
		}})
		b.do(Capacity{Uplink: uplink})
		b.up(edgeA, wire.RoleEdge)
		b.have(edgeA, 0, 0, true)
		b.pass(200 * time.Millisecond)
		b.acceptAll()
		for i := range byte(60) {
			b.do(Introduced{Peers: []wire.PeerInfo{{ID: wire.PeerID{0x50, i}, Role: wire.RoleViewer}}})
			b.piece(edgeA, wire.Seq(i), wire.Push)
			b.pass(time.Second)
			for _, d := range of[Dial](b.take()) {
				n++
				b.do(DialFailed{Peer: d.Peer.ID})
			}
		}
		return n
	}
	narrow, wide, unknown := dials(Config{}, leafUplink-1), dials(Config{}, 3*leafUplink), dials(Config{Leaf: true}, 0)
	if most := int(time.Minute/narrowDialEvery) + 1; narrow == 0 || narrow > most || wide < 2*most || unknown < 2*most {
		t.Errorf("%d dials in a minute, %d on a line three times as fast, and %d of who shares nothing on one that is not known", narrow, wide, unknown)
	}
}

// A leaf dials one peer after another, but an edge at once if it has none: who it has
// dialled before may not answer for seconds.
func TestLeafWithoutAnEdgeDialsOne(t *testing.T) {
	b := newLeaf(t)
	var viewers []wire.PeerInfo
	for i := range byte(10) {
		viewers = append(viewers, wire.PeerInfo{ID: wire.PeerID{0xd0, i}, Role: wire.RoleViewer})
	}
	b.do(Introduced{Peers: viewers})
	b.pass(time.Second)
	if dials := of[Dial](b.take()); len(dials) != 1 {
		t.Fatalf("dials %v while nobody has answered", dials)
	}
	b.do(Introduced{Peers: []wire.PeerInfo{{ID: edgeA, Role: wire.RoleEdge}}})
	b.pass(keepEvery)
	if dials := of[Dial](b.take()); len(dials) != 1 || dials[0].Peer.ID != edgeA {
		t.Errorf("dials %v, want the edge", dials)
	}
	b.pass(time.Second)
	if dials := of[Dial](b.take()); len(dials) != 0 {
		t.Errorf("dials %v as well", dials)
	}
}
