// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"
	"testing"
	"time"

	"p2plive/internal/wire"
)

// bench is one viewer with neighbours that a test plays by hand.
type bench struct {
	t   *testing.T
	m   *Machine
	now time.Duration
	out []Command
}

var (
	edgeA = wire.PeerID{1}
	peerB = wire.PeerID{2}
	peerC = wire.PeerID{3}
)

const testEpoch = 9

func newBench(t *testing.T, cfg Config) *bench {
	cfg.Self = wire.PeerID{99}
	if cfg.Role == 0 {
		cfg.Role = wire.RoleViewer
	}
	b := &bench{t: t, m: New(cfg)}
	b.do(CatalogSet{Epoch: testEpoch, Tracks: []TrackInfo{{ID: 1, Kind: wire.Video, Substreams: 2, Timescale: 1000}}})
	return b
}

func (b *bench) do(ev Event) []Command {
	out := b.m.Handle(b.now, ev)
	b.out = append(b.out, out...)
	return out
}

// pass lets time go by, in ticks.
func (b *bench) pass(d time.Duration) {
	for end := b.now + d; b.now < end; {
		b.now += 10 * time.Millisecond
		b.do(Tick{})
	}
}

// up brings a neighbour in, with a place in both trees. Viewers have a
// free slot.
func (b *bench) up(id wire.PeerID, role wire.Role) {
	b.do(PeerUp{Peer: id, Role: role, RTT: 10 * time.Millisecond})
	h := &wire.Heartbeat{Epoch: testEpoch, Slots: 10}
	free := uint8(1)
	if role == wire.RoleEdge {
		free = 0
	}
	for s := range wire.Substream(2) {
		h.Trees = append(h.Trees, wire.TreeState{Tree: wire.Tree{Track: 1, Substream: s}, Free: free, Path: []wire.PathID{{77}}})
	}
	b.do(Received{Peer: id, Msg: h})
}

func (b *bench) have(id wire.PeerID, newest, start wire.Seq, complete bool) {
	th := wire.TrackHave{Track: 1, Newest: newest, Start: start, Base: start}
	for range newest - start + 1 {
		f := wire.FragmentHave{}
		if complete {
			f.Count = 1
		}
		th.Fragments = append(th.Fragments, f)
	}
	b.do(Received{Peer: id, Msg: &wire.Have{Epoch: testEpoch, Tracks: []wire.TrackHave{th}}})
}

func (b *bench) piece(from wire.PeerID, seq wire.Seq, via wire.Via) {
	b.do(PieceIn{Peer: from, Via: via, New: true, Size: 1000, Header: wire.PieceHeader{
		Epoch: testEpoch, Track: 1, Key: seq%10 == 0, Seq: seq, Count: 1, Base: uint64(seq) * 33, Duration: 33,
	}})
}

// acceptAll answers all subscriptions that were sent since take.
func (b *bench) acceptAll() {
	for _, s := range sent[*wire.Subscribe](b.take()) {
		b.do(Received{Peer: s.peer, Msg: &wire.Accept{Epoch: testEpoch, Tree: s.msg.Tree, Path: []wire.PathID{{77}}}})
	}
}

func (b *bench) take() []Command {
	out := b.out
	b.out = nil
	return out
}

type sentTo[M wire.Message] struct {
	peer wire.PeerID
	msg  M
}

// sent returns the messages of one type among commands.
func sent[M wire.Message](out []Command) []sentTo[M] {
	var list []sentTo[M]
	for _, c := range out {
		if s, ok := c.(Send); ok {
			if msg, ok := s.Msg.(M); ok {
				list = append(list, sentTo[M]{s.Peer, msg})
			}
		}
	}
	return list
}

func of[C Command](out []Command) []C {
	var list []C
	for _, c := range out {
		if c, ok := c.(C); ok {
			list = append(list, c)
		}
	}
	return list
}

func deliveries(out []Command) []wire.Seq {
	var seqs []wire.Seq
	for _, d := range of[Deliver](out) {
		seqs = append(seqs, d.Seq)
	}
	return seqs
}

// TestLiarIsForgotten has the first neighbour speak of a stream that does not
// exist.
func TestLiarIsForgotten(t *testing.T) {
	b := newBench(t, Config{})
	b.up(peerB, wire.RoleViewer)
	b.have(peerB, 1_000_000, 999_990, true)
	b.pass(50 * time.Millisecond)
	b.acceptAll()
	b.up(edgeA, wire.RoleEdge)
	var got []wire.Seq
	from := map[wire.Tree]wire.Seq{}
	for range 40 {
		b.have(edgeA, 25, 20, false)
		b.pass(50 * time.Millisecond)
		out := b.out
		b.acceptAll()
		for _, s := range sent[*wire.Subscribe](out) {
			from[s.msg.Tree] = s.msg.From
		}
		for _, r := range sent[*wire.Request](out) {
			for _, id := range r.msg.IDs {
				if r.peer == edgeA && id.Seq <= 25 {
					b.piece(edgeA, id.Seq, wire.Repair)
				}
			}
		}
		got = append(got, deliveries(b.take())...)
	}
	if want := []wire.Seq{20, 21, 22, 23, 24, 25}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	for tree, seq := range from {
		if seq > 26 {
			t.Errorf("tree %v: the parent pushes from %d on", tree, seq)
		}
	}
}

// playing returns a viewer that plays fragment 20, with B as its parent, and
// C and an edge as neighbours.
func playing(t *testing.T) *bench {
	b := newBench(t, Config{})
	b.up(peerB, wire.RoleViewer)
	b.have(peerB, 20, 20, true)
	b.pass(50 * time.Millisecond)
	b.acceptAll()
	b.up(edgeA, wire.RoleEdge)
	b.piece(peerB, 20, wire.Repair)
	b.up(peerC, wire.RoleViewer)
	b.have(peerC, 20, 20, true)
	b.have(edgeA, 20, 20, false)
	if got := deliveries(b.take()); !slices.Equal(got, []wire.Seq{20}) {
		t.Fatalf("delivered %v, want 20", got)
	}
	for _, tr := range b.m.trees {
		if tr.parent == nil || tr.parent.id() != peerB {
			t.Fatalf("tree %v has no parent", tr.id)
		}
	}
	return b
}

// TestGapIsRepaired skips a piece: whoever has it is asked, once.
func TestGapIsRepaired(t *testing.T) {
	b := playing(t)
	b.piece(peerB, 21, wire.Push)
	b.piece(peerB, 23, wire.Push)
	b.piece(peerB, 24, wire.Push) // of the same tree as 22
	b.have(peerC, 24, 21, true)
	b.pass(90 * time.Millisecond)
	requests := sent[*wire.Request](b.take())
	if len(requests) != 1 || requests[0].peer != peerC || requests[0].msg.Via != wire.Repair ||
		!slices.Equal(requests[0].msg.IDs, []wire.PieceID{{Track: 1, Seq: 22}}) {
		t.Fatalf("requests %+v, want one to C for fragment 22", requests)
	}
	b.piece(peerC, 22, wire.Repair)
	if got := deliveries(b.take()); !slices.Equal(got, []wire.Seq{22, 23, 24}) {
		t.Errorf("delivered %v", got)
	}
}

// TestPushIsSpared gets from elsewhere what the parent has not got: the parent
// hears of it at once. If the parent has it, it is on its way already.
func TestPushIsSpared(t *testing.T) {
	for _, has := range []bool{false, true} {
		b := playing(t)
		b.piece(peerB, 21, wire.Push)
		b.piece(peerB, 24, wire.Push) // of the same tree as 22
		if has {
			b.have(peerB, 24, 22, true)
		}
		b.take()
		b.piece(peerC, 22, wire.Repair)
		var told []wire.Seq
		for _, h := range sent[*wire.Have](b.take()) {
			if h.peer == peerB {
				told = append(told, h.msg.Tracks[0].Base)
			}
		}
		if want := !has; slices.Equal(told, []wire.Seq{22}) != want {
			t.Errorf("the parent has it: %v, it was told of %v", has, told)
		}
	}
}

// TestLackIsAskedElsewhere goes on to the edge when the only holder has not
// got what it has told of.
func TestLackIsAskedElsewhere(t *testing.T) {
	b := playing(t)
	b.piece(peerB, 21, wire.Push)
	b.piece(peerB, 24, wire.Push)
	b.have(peerC, 22, 22, true)
	b.pass(100 * time.Millisecond)
	if r := sent[*wire.Request](b.take()); len(r) != 1 || r[0].peer != peerC {
		t.Fatalf("requests %+v, want one to C", r)
	}
	b.do(Received{Peer: peerC, Msg: &wire.Lack{Epoch: testEpoch, IDs: []wire.PieceID{{Track: 1, Seq: 22}}}})
	b.pass(rescueAfter + 50*time.Millisecond)
	var rescue []wire.PieceID
	for _, r := range sent[*wire.Request](b.take()) {
		if r.peer == edgeA && r.msg.Via == wire.Rescue {
			rescue = append(rescue, r.msg.IDs...)
		}
	}
	if !slices.Contains(rescue, wire.PieceID{Track: 1, Seq: 22}) {
		t.Errorf("asked of the edge: %v", rescue)
	}
}

// TestParentGone loses the parent: both trees go on at the spare at once.
func TestParentGone(t *testing.T) {
	b := playing(t)
	out := b.do(PeerDown{Peer: peerB})
	subs := sent[*wire.Subscribe](out)
	if len(subs) != 2 || subs[0].peer != peerC || subs[1].peer == peerB {
		t.Errorf("subscriptions %+v, want both trees elsewhere at once", subs)
	}
}

// TestSilentParent finds out without being told.
func TestSilentParent(t *testing.T) {
	b := playing(t)
	for seq := wire.Seq(21); seq < 60; seq++ {
		b.have(peerC, seq, seq, true)
		b.have(edgeA, seq, seq, false)
		b.pass(30 * time.Millisecond)
	}
	moved := map[wire.Tree]bool{}
	asked := 0
	for _, c := range b.take() {
		s, ok := c.(Send)
		if !ok || s.Peer == peerB {
			continue
		}
		switch msg := s.Msg.(type) {
		case *wire.Subscribe:
			moved[msg.Tree] = true
		case *wire.Request:
			asked += len(msg.IDs)
		}
	}
	if len(moved) != 2 || asked == 0 {
		t.Errorf("%d trees have moved, %d pieces were asked for", len(moved), asked)
	}
}

// A parent that was left is needed until it has pushed what is older than the change; if it goes before, that is asked
// for at once.
func TestFormerParent(t *testing.T) {
	b := playing(t)
	tr := b.m.trees[0]
	old := tr.parent
	tr.pending, tr.pendingFrom, tr.pendingUntil = b.m.find(peerC), 23, b.now+time.Second
	b.do(Received{Peer: peerC, Msg: &wire.Accept{Epoch: testEpoch, Tree: tr.id, Path: []wire.PathID{{77}}}})
	if tr.parent.id() != peerC || tr.former != old || tr.from != 23 {
		t.Fatalf("parent %v, former %v, from %d", tr.parent.id(), tr.former, tr.from)
	}
	if !b.m.used(old) {
		t.Error("the former parent may be sent away")
	}
	b.do(PeerDown{Peer: old.id()})
	f := &fragment{seq: tr.from - 1, seen: b.now}
	if due := b.m.expected(tr, f, 0); due != b.now+orphanPatience {
		t.Errorf("what it was to push is asked for after %v", due-b.now)
	}
	if !b.m.used(tr.parent) {
		t.Error("the parent may be sent away")
	}
}

// A child that leaves and comes back at once gets what was promised when it left, and no gap.
func TestChildComesBack(t *testing.T) {
	b := playing(t)
	tr := b.m.trees[0]
	for _, msg := range []wire.Message{
		&wire.Subscribe{Epoch: testEpoch, Tree: tr.id, From: 21},
		&wire.Unsubscribe{Epoch: testEpoch, Tree: tr.id, From: 23},
		&wire.Subscribe{Epoch: testEpoch, Tree: tr.id, From: 25},
	} {
		b.do(Received{Peer: peerC, Msg: msg})
	}
	c := tr.child(b.m.find(peerC))
	for seq, want := range map[wire.Seq]bool{21: true, 22: true, 23: false, 24: false, 25: true, 26: true} {
		if c.wants(seq) != want {
			t.Errorf("fragment %d is pushed: %v", seq, !want)
		}
	}
}

// A line that carries next to nothing refuses, and does not for ever when it carries more.
func TestTinyUplink(t *testing.T) {
	b := playing(t)
	ask := func() bool {
		b.take()
		b.do(Received{Peer: peerC, Msg: &wire.Request{Epoch: testEpoch, IDs: []wire.PieceID{{Track: 1, Seq: 20}}}})
		return len(of[SendPiece](b.take())) == 1
	}
	b.do(Capacity{Uplink: 1})
	ask()
	if ask() {
		t.Error("a line of one bit a second takes more than it can carry")
	}
	b.do(Capacity{Uplink: 10_000_000})
	b.pass(2 * maxBusy)
	if !ask() {
		t.Error("a request was refused by a line that is fast now")
	}
}

// TestGivenUp misses a fragment that nobody sends, and goes on.
func TestGivenUp(t *testing.T) {
	b := playing(t)
	b.piece(peerB, 21, wire.Push)
	b.piece(peerB, 23, wire.Push)
	start := b.now
	var missed []Missed
	var after []wire.Seq
	for b.now < start+2*time.Second && len(missed) == 0 {
		b.pass(10 * time.Millisecond)
		b.have(peerB, 23, 23, true)
		out := b.take()
		missed = of[Missed](out)
		after = deliveries(out)
	}
	if len(missed) != 1 || missed[0].Seq != 22 || !slices.Equal(after, []wire.Seq{23}) {
		t.Errorf("missed %v, then delivered %v", missed, after)
	}
	if d := b.now - start; d < defaultPlayDelay || d > defaultPlayDelay+100*time.Millisecond {
		t.Errorf("given up after %v, want %v", d, defaultPlayDelay)
	}
}

// TestNoParentBelow refuses a peer whose path leads through this one, and one
// without a path.
func TestNoParentBelow(t *testing.T) {
	b := newBench(t, Config{})
	for id, path := range map[wire.PeerID][]wire.PathID{peerB: {{77}, b.m.short}, peerC: nil} {
		b.do(PeerUp{Peer: id, Role: wire.RoleViewer})
		b.do(Received{Peer: id, Msg: &wire.Heartbeat{Epoch: testEpoch, Slots: 9, Trees: []wire.TreeState{
			{Tree: wire.Tree{Track: 1}, Free: 2, Path: path},
		}}})
		b.have(id, 20, 20, true)
	}
	b.pass(500 * time.Millisecond)
	if subs := sent[*wire.Subscribe](b.take()); len(subs) != 0 {
		t.Errorf("subscribed to %+v", subs)
	}
}

// TestParentMovesBelow leaves a parent that turns up below the peer.
func TestParentMovesBelow(t *testing.T) {
	b := playing(t)
	b.do(Received{Peer: peerB, Msg: &wire.Heartbeat{Epoch: testEpoch, Slots: 9, Trees: []wire.TreeState{
		{Tree: wire.Tree{Track: 1}, Free: 2, Path: []wire.PathID{{77}, b.m.short}},
	}}})
	left := sent[*wire.Unsubscribe](b.take())
	if len(left) != 1 || left[0].peer != peerB || b.m.Stats().Loops != 1 {
		t.Errorf("left %+v, stats %+v", left, b.m.Stats())
	}
}

// TestRequestsAreBounded answers a neighbour that asks without end, but not
// without end.
func TestRequestsAreBounded(t *testing.T) {
	b := playing(t)
	ask := &wire.Request{Epoch: testEpoch, Via: wire.Repair, IDs: []wire.PieceID{{Track: 1, Seq: 20}, {Track: 1, Seq: 99}}}
	for range 100 {
		b.do(Received{Peer: peerC, Msg: ask})
	}
	out := b.take()
	if n := len(of[SendPiece](out)); n > maxAgain+1 {
		t.Errorf("a piece was sent %d times", n)
	}
	if n := len(sent[*wire.Lack](out)); n != 100 {
		t.Errorf("%d of 100 requests were answered for the piece that is not there", n)
	}
}

func TestPieceSet(t *testing.T) {
	var s pieceSet
	for i := range uint16(wire.MaxPieces) {
		if s.has(i) || !s.add(i) || s.add(i) || !s.has(i) {
			t.Fatalf("piece %d", i)
		}
		if i%2 == 0 {
			s.remove(i)
		}
	}
	for i := range uint16(wire.MaxPieces) {
		if s.has(i) != (i%2 == 1) {
			t.Errorf("piece %d: %v", i, s.has(i))
		}
	}
}

// TestEdgeFindsItsPath has a viewer come to an edge that has no path to the
// source yet. The edge takes one at once, and the viewer must not wait for the
// edge's next have-map to know.
func TestEdgeFindsItsPath(t *testing.T) {
	b := newBench(t, Config{Role: wire.RoleEdge})
	b.do(PeerUp{Peer: peerB, Role: wire.RoleViewer})
	b.do(Received{Peer: peerB, Msg: &wire.Heartbeat{Epoch: testEpoch, Slots: 10}})
	b.do(PeerUp{Peer: peerC, Role: wire.RoleSource})
	b.do(Received{Peer: peerC, Msg: &wire.Heartbeat{Epoch: testEpoch, Slots: 10}})
	b.pass(idleTick)
	subscriptions := sent[*wire.Subscribe](b.take())
	if len(subscriptions) != 2 {
		t.Fatalf("%d subscriptions at the source, want 2", len(subscriptions))
	}
	for _, s := range subscriptions {
		b.do(Received{Peer: s.peer, Msg: &wire.Accept{Epoch: testEpoch, Tree: s.msg.Tree}})
	}
	b.pass(busyTick)
	told := 0
	for _, s := range sent[*wire.Heartbeat](b.take()) {
		for _, tree := range s.msg.Trees {
			if s.peer == peerB && len(tree.Path) > 0 {
				told++
			}
		}
	}
	if told != 2 {
		t.Errorf("the viewer was told of a path in %d trees within a tick, want 2", told)
	}
}
