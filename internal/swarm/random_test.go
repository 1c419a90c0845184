// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"p2plive/internal/wire"
)

// driver feeds one machine with events that make no sense together, and holds
// it to what must always be true.
type driver struct {
	t     testing.TB
	draw  func(n int) int // a number below n
	m     *Machine
	now   time.Duration
	epoch wire.Epoch

	up     map[wire.PeerID]bool
	list   []wire.PeerID // those that are up
	asked  []Send        // subscriptions without an answer
	pushed map[wire.PeerID]map[wire.PieceID]bool
	last   map[wire.TrackID]wire.Seq
	any    map[wire.TrackID]bool
}

const driverPeers = 40

func newDriver(t testing.TB, draw func(int) int) *driver {
	d := &driver{
		t: t, draw: draw, epoch: 1, up: map[wire.PeerID]bool{},
		pushed: map[wire.PeerID]map[wire.PieceID]bool{},
		last:   map[wire.TrackID]wire.Seq{}, any: map[wire.TrackID]bool{},
	}
	d.m = New(Config{
		Self: driverPeer(0), Role: wire.Role(1 + draw(3)), Leaf: draw(8) == 0,
		Slots: draw(5), Window: 3 * time.Second, Uplink: int64(draw(3)) * 1_000_000, Seed: uint64(draw(1 << 16)),
	})
	return d
}

func driverPeer(i int) (id wire.PeerID) {
	binary.BigEndian.PutUint16(id[:], uint16(i)+1)
	return id
}

// peer is mostly one with a session.
func (d *driver) peer() wire.PeerID {
	if len(d.list) > 0 && d.draw(16) != 0 {
		return d.list[d.draw(len(d.list))]
	}
	return driverPeer(d.draw(driverPeers))
}

// reply answers a subscription as an honest peer would.
func (d *driver) reply() Event {
	if len(d.asked) == 0 {
		return Tick{}
	}
	i := d.draw(len(d.asked))
	ask := d.asked[i]
	d.asked = slices.Delete(d.asked, i, i+1)
	sub := ask.Msg.(*wire.Subscribe)
	path := append(d.path(), driverPeer(driverPeers).PathID())
	return Received{Peer: ask.Peer, Msg: &wire.Accept{
		Epoch: sub.Epoch, Tree: sub.Tree, Temporary: d.draw(4) == 0, Path: path, Others: d.infos(),
	}}
}

func (d *driver) track() wire.TrackID { return wire.TrackID(1 + d.draw(3)) }

func (d *driver) tree() wire.Tree {
	return wire.Tree{Track: d.track(), Substream: wire.Substream(d.draw(5))}
}

// seq is mostly near the present, sometimes far away.
func (d *driver) seq() wire.Seq {
	now := int(d.now / (33 * time.Millisecond))
	switch d.draw(500) {
	case 0:
		return wire.Seq(d.draw(1 << 31))
	case 1:
		return ^wire.Seq(0) - wire.Seq(d.draw(3))
	}
	return wire.Seq(max(now+d.draw(40)-35, 0))
}

func (d *driver) path() []wire.PathID {
	var path []wire.PathID
	for range d.draw(4) {
		path = append(path, d.peer().PathID())
	}
	return path
}

func (d *driver) infos() []wire.PeerInfo {
	var infos []wire.PeerInfo
	for range d.draw(4) {
		infos = append(infos, wire.PeerInfo{ID: d.peer(), Role: wire.Role(d.draw(5))})
	}
	return infos
}

func (d *driver) ids() []wire.PieceID {
	var ids []wire.PieceID
	for range 1 + d.draw(6) {
		ids = append(ids, wire.PieceID{Track: d.track(), Seq: d.seq(), Index: uint16(d.draw(4) * d.draw(86))})
	}
	return ids
}

func (d *driver) message() wire.Message {
	tag := d.epoch.Tag()
	if d.draw(20) == 0 {
		tag++
	}
	switch d.draw(9) {
	case 0:
		return &wire.Subscribe{Epoch: tag, Tree: d.tree(), From: d.seq()}
	case 1:
		return &wire.Accept{Epoch: tag, Tree: d.tree(), Temporary: d.draw(2) == 0, Path: d.path(), Others: d.infos()}
	case 2:
		return &wire.Refuse{Epoch: tag, Tree: d.tree(), Reason: wire.RefuseReason(1 + d.draw(6)), Others: d.infos()}
	case 3:
		return &wire.Unsubscribe{Epoch: tag, Tree: d.tree(), From: d.seq()}
	case 4:
		return d.have(tag)
	case 5:
		return &wire.Request{Epoch: tag, Via: wire.Via(1 + d.draw(2)), IDs: d.ids()}
	case 6:
		return &wire.Lack{Epoch: tag, IDs: d.ids()}
	case 7:
		h := &wire.Heartbeat{Epoch: tag, Slots: uint16(d.draw(3))}
		for range d.draw(4) {
			h.Trees = append(h.Trees, wire.TreeState{
				Tree: d.tree(), Free: uint8(d.draw(3)), Weight: uint8(d.draw(256)), Path: d.path(),
			})
		}
		return h
	}
	return &wire.Peers{Peers: d.infos()}
}

func (d *driver) have(tag wire.EpochTag) *wire.Have {
	h := &wire.Have{Epoch: tag}
	for range 1 + d.draw(2) {
		newest := d.seq()
		th := wire.TrackHave{
			Track: d.track(), Newest: newest,
			Start: newest - min(newest, wire.Seq(d.draw(60))), Base: newest - min(newest, wire.Seq(d.draw(60))),
		}
		for range d.draw(20) {
			f := wire.FragmentHave{Count: uint16(d.draw(4))}
			if f.Count > 0 && d.draw(3) == 0 {
				f.Bits = []byte{byte(d.draw(256))}
			}
			th.Fragments = append(th.Fragments, f)
		}
		h.Tracks = append(h.Tracks, th)
	}
	return h
}

func (d *driver) header() wire.PieceHeader {
	seq := d.seq()
	count := 1 + int(seq%3)*d.draw(2)
	if d.draw(50) == 0 {
		count = wire.MaxPieces
	}
	return wire.PieceHeader{
		Epoch: d.epoch, Track: d.track(), Key: seq%10 == 0, Seq: seq,
		Index: uint16(d.draw(count)), Count: uint16(count),
		Base: uint64(seq) * 3000, Duration: 3000, Wall: int64(seq) * 33,
	}
}

func (d *driver) event() Event {
	switch d.draw(100) {
	case 0, 1, 2:
		return PeerUp{Peer: driverPeer(d.draw(driverPeers)), Role: wire.Role(1 + d.draw(3)), RTT: time.Duration(d.draw(200)) * time.Millisecond}
	case 3:
		return PeerDown{Peer: driverPeer(d.draw(driverPeers))}
	case 10:
		if d.draw(8) == 0 {
			d.epoch++
		}
		c := CatalogSet{Epoch: d.epoch, Ended: d.draw(30) == 0}
		for i := range 1 + d.draw(2) {
			c.Tracks = append(c.Tracks, TrackInfo{
				ID: wire.TrackID(i + 1), Kind: wire.TrackKind(i + 1), Substreams: uint8(1 + 3*(1-i)),
				Timescale: 90000, Bitrate: uint32(d.draw(2) * 1_000_000),
			})
		}
		return c
	case 11:
		return Introduced{Peers: d.infos()}
	case 12:
		return DialFailed{Peer: d.peer()}
	case 13:
		return SendFailed{Peer: d.peer(), ID: d.ids()[0]}
	case 14:
		return Link{Peer: d.peer(), RTT: time.Duration(d.draw(100)) * time.Millisecond}
	case 15:
		return Capacity{Uplink: int64(d.draw(10)) * 500_000}
	case 16:
		return PieceBad{Peer: driverPeer(d.draw(driverPeers))}
	case 17, 18:
		return PieceMade{Header: d.header(), Size: 1000}
	case 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39:
		return PieceIn{Peer: d.peer(), Header: d.header(), Size: 1000, Via: wire.Via(d.draw(3)), New: d.draw(2) == 0}
	case 40, 41, 42, 43, 44, 45, 46, 47, 48, 49:
		return Tick{}
	case 50, 51, 52, 53, 54, 55, 56, 57, 58, 59:
		return d.reply()
	}
	return Received{Peer: d.peer(), Msg: d.message()}
}

func (d *driver) step() {
	d.now += time.Duration(d.draw(8)) * time.Millisecond
	ev := d.event()
	switch ev := ev.(type) {
	case PeerUp:
		d.forget(ev.Peer)
		if ev.Peer != driverPeer(0) {
			d.up[ev.Peer] = true
			d.list = append(d.list, ev.Peer)
		}
	case PeerDown:
		d.forget(ev.Peer)
	case PieceBad:
		d.forget(ev.Peer)
	case CatalogSet:
		if ev.Epoch != d.m.epoch {
			d.pushed = map[wire.PeerID]map[wire.PieceID]bool{}
			d.any = map[wire.TrackID]bool{}
		}
	case SendFailed:
		delete(d.pushed[ev.Peer], ev.ID)
	}
	for _, c := range d.m.Handle(d.now, ev) {
		d.check(c)
	}
	if d.draw(8) == 0 {
		d.invariants()
	}
}

func (d *driver) forget(id wire.PeerID) {
	delete(d.up, id)
	delete(d.pushed, id)
	d.list = slices.DeleteFunc(d.list, func(o wire.PeerID) bool { return o == id })
	d.asked = slices.DeleteFunc(d.asked, func(s Send) bool { return s.Peer == id })
}

func (d *driver) check(c Command) {
	known := func(id wire.PeerID) {
		if !d.up[id] {
			d.t.Fatalf("%T %+v to an unknown peer", c, c)
		}
	}
	switch c := c.(type) {
	case Send:
		known(c.Peer)
		if _, ok := c.Msg.(*wire.Subscribe); ok && len(d.asked) < 64 {
			d.asked = append(d.asked, c)
		}
		if _, err := wire.Parse(wire.Append(nil, c.Msg)); err != nil {
			d.t.Fatalf("%T %+v does not parse", c.Msg, c.Msg)
		}
	case SendPiece:
		known(c.Peer)
		if d.pushed[c.Peer] == nil {
			d.pushed[c.Peer] = map[wire.PieceID]bool{}
		}
		if c.Via == wire.Push && d.pushed[c.Peer][c.ID] {
			d.t.Fatalf("%+v is pushed twice", c)
		}
		d.pushed[c.Peer][c.ID] = true
	case Drop:
		known(c.Peer)
		d.forget(c.Peer)
	case Deliver:
		d.follows(c.Track, c.Seq, false)
	case Missed:
		d.follows(c.Track, c.Seq, true)
	case Wake:
		if c.At < d.now {
			d.t.Fatalf("wake at %v, now is %v", c.At, d.now)
		}
	}
}

// follows checks the order of delivery. Only a jump skips fragments, and tells
// of the last of them; play may then begin at any later one.
func (d *driver) follows(track wire.TrackID, seq wire.Seq, missed bool) {
	if d.any[track] && (seq <= d.last[track] || seq != d.last[track]+1 && !missed) {
		d.t.Fatalf("track %d: fragment %d after %d", track, seq, d.last[track])
	}
	d.last[track] = seq
	// After a jump play starts anew.
	t := d.m.track(track)
	d.any[track] = t != nil && t.playing
}

func (d *driver) invariants() { checkState(d.t, d.m) }

// checkCounts compares what is counted on the way with what there is.
func checkCounts(t testing.TB, m *Machine) {
	t.Helper()
	var have roles
	for _, n := range m.neighbours {
		have[n.role()]++
	}
	if have != m.roles {
		t.Fatalf("neighbours by role are %v, counted %v", have, m.roles)
	}
	dialing := 0
	for _, k := range m.book.list {
		if k.dialing {
			dialing++
			have[k.role]++
		}
	}
	if dialing != m.book.dialing {
		t.Fatalf("%d dials are under way, counted %d", dialing, m.book.dialing)
	}
	for _, tk := range m.tracks {
		if c := m.allClaims(tk); !tk.claims.stale && (c.viewers != tk.claims.viewers || c.servers != tk.claims.servers ||
			c.first != tk.claims.first || c.second != tk.claims.second || c.served != tk.claims.served || c.before != tk.claims.before) {
			t.Fatalf("neighbours say %+v, kept is %+v", c, tk.claims)
		}
	}
	if m.now < m.book.nobodyUntil && m.drawKnown(&have) != nil {
		t.Fatal("somebody could be dialled, and is not looked for")
	}
}

// checkState holds a machine to the bounds of all that it remembers, and its
// parts to each other.
func checkState(t testing.TB, m *Machine) {
	t.Helper()
	if len(m.neighbours) != len(m.keys) || len(m.neighbours) > m.maxNeighbours()+2*targetServers || len(m.book.list) > maxKnown {
		t.Fatalf("%d neighbours, %d known", len(m.neighbours), len(m.book.list))
	}
	checkCounts(t, m)
	asked, backlog := map[*neighbour]int{}, 0
	for _, tk := range m.tracks {
		if tk.frags.len() > maxFragments+2*maxAhead {
			t.Fatalf("%d fragments are kept", tk.frags.len())
		}
		for i := range tk.frags.len() {
			f := tk.frags.at(i)
			if f.complete() != (f.open == nil) {
				t.Fatal("a fragment is complete and has a quest, or neither")
			}
			for _, a := range f.asks() {
				if a.peer != nil {
					asked[a.peer]++
					if f.backlog {
						backlog++
					}
				}
			}
		}
	}
	if backlog != m.backlogAsked {
		t.Fatalf("%d pieces of the backlog are asked for, counted %d", backlog, m.backlogAsked)
	}
	for n, count := range asked {
		if m.find(n.id()) != n {
			t.Fatal("asked of a neighbour that is gone")
		}
		if n.asked != count {
			t.Fatalf("%d pieces are asked of a neighbour, counted %d", count, n.asked)
		}
	}
	for _, n := range m.neighbours {
		if n.asked != asked[n] || n.asked > maxAsked || len(n.again) > againKept {
			t.Fatalf("a neighbour is asked for %d pieces, found %d", n.asked, asked[n])
		}
	}
	for _, tr := range m.trees {
		if slices.Contains(tr.path, m.short) {
			t.Fatal("a path leads through the peer itself")
		}
		if tr.parent == nil != (tr.path == nil) && tr.parent == nil {
			t.Fatal("a path without a parent")
		}
		if tr.parent != nil && m.find(tr.parent.id()) != tr.parent || tr.pending != nil && m.find(tr.pending.id()) != tr.pending {
			t.Fatal("a parent that is gone")
		}
		for _, c := range tr.children {
			if m.find(c.peer.id()) != c.peer {
				t.Fatal("a child that is gone")
			}
		}
		most := leastFanout + 2
		if tr.home {
			most = maxFanout + 2
		}
		if !m.serving() && tr.staying() > most {
			t.Fatalf("%d children in a tree", tr.staying())
		}
	}
}

// steps is how many events the property tests draw. `make property` draws a
// million for each.
var steps = flag.Int("steps", 100_000, "events that property tests draw")

// TestRandomEvents holds what must always be true over events that make no sense.
func TestRandomEvents(t *testing.T) {
	const each = 2500 // then a machine in another role
	for seed := range uint64(*steps / each) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := newDriver(t, rng.IntN)
		for range each {
			d.step()
		}
		d.m.Stats()
	}
}

func FuzzMachine(f *testing.F) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 3))
		b := make([]byte, 4096)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDriver(t, func(n int) int {
			if len(data) < 2 {
				data = nil
				return 0
			}
			v := int(binary.BigEndian.Uint16(data))
			data = data[2:]
			if n > 1<<16 {
				return v * (n >> 16)
			}
			return v % n
		})
		for range 1000 {
			if data == nil {
				return
			}
			d.step()
		}
	})
}
