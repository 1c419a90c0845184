// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// neighbour is a peer with an open session. In a large swarm memory is what
// takes time, so three cache lines hold all that the many events need: who it
// is and when it spoke, what it was told, and its pieces.
type neighbour struct {
	ident     wire.PeerID
	kind      wire.Role
	slotsTold bool
	synced    bool // it has spoken of the epoch that we are in
	toldLeaf  bool // the last heartbeat said that we share nothing
	slots     uint16
	heard     time.Duration
	gap       time.Duration // between what it said, at most, of late
	rtt       time.Duration

	spoken   time.Duration // when it was last sent anything
	nextHave time.Duration
	kinAt    time.Duration // when it was last seen to be a parent or child
	short    wire.PathID
	told     [fewTrees]told // of our place in the first trees

	first remoteTrack // its pieces of the first track

	trees  []remoteTree  // by tree index
	more   *moreTracks   // nil where there are no more
	fedAt  time.Duration // when an edge last saw it to be a child
	beat   time.Duration // when it was last sent a heartbeat
	asked  int           // pieces asked of it and not yet come
	spared time.Duration // an edge has too much to do, and is not asked before
	fails  int           // answers that did not come in time, since the last that did
	reply  delayMeter
	up     time.Duration
	named  time.Duration // when it last told of other peers
	tokens bucket
	again  map[wire.PieceID]uint8
	places int // an edge's permanent places, counted while assigning
	addrs  []netip.AddrPort
}

// fewTrees are those of a simulated stream; a video with sound has more.
const fewTrees = 4

// moreTracks is for streams of several tracks.
type moreTracks struct {
	tracks []remoteTrack // after the first
	told   []told        // of the trees after the first ones
}

// remoteTrack is what is known of a neighbour's pieces.
type remoteTrack struct {
	newest wire.Seq
	before wire.Seq // what was newest when it last told
	any    bool
	full   bool   // it was told of everything once
	cursor uint32 // changes that it was told of
	have   setRing
}

// remoteTree is a neighbour's place in a tree.
type remoteTree struct {
	path     []wire.PathID
	badUntil time.Duration // not to be chosen as a parent before
	free     uint8
	aside    bool // somebody would be moved aside for its free place
}

func (n *neighbour) id() wire.PeerID { return n.ident }

func (n *neighbour) role() wire.Role { return n.kind }

// info is how others are told of the neighbour.
func (n *neighbour) info() wire.PeerInfo {
	return wire.PeerInfo{ID: n.ident, Role: n.kind, Addrs: n.addrs}
}

// track returns what is known of the neighbour's pieces.
func (n *neighbour) track(t *track) *remoteTrack {
	if t.index == 0 {
		return &n.first
	}
	return &n.more.tracks[t.index-1]
}

// toldOf returns what the neighbour was told of a tree.
func (n *neighbour) toldOf(tr *tree) *told {
	if tr.index < fewTrees {
		return &n.told[tr.index]
	}
	return &n.more.told[tr.index-fewTrees]
}

// serves reports whether the neighbour has all of the stream.
func (n *neighbour) serves() bool { return n.role() != wire.RoleViewer }

// leaf reports whether the neighbour shares nothing.
func (n *neighbour) leaf() bool { return n.role() == wire.RoleViewer && n.slots == 0 }

// idle reports whether the neighbour has uplink left: places in some tree for
// which nobody would have to go.
func (n *neighbour) idle() bool {
	return slices.ContainsFunc(n.trees, func(rt remoteTree) bool { return rt.free > 0 && !rt.aside })
}

// feeds reports whether the neighbour is the parent in any tree.
func (m *Machine) feeds(n *neighbour) bool {
	return slices.ContainsFunc(m.trees, func(tr *tree) bool { return tr.parent == n })
}

// has reports whether the neighbour is known to have a piece.
func (n *neighbour) has(t *track, seq wire.Seq, index uint16) bool {
	return n.track(t).have.has(seq, index)
}

// mark notes that the neighbour has, or is being sent, a piece of a fragment of
// count pieces. It returns false if that was known, or if the piece is too old
// to be noted.
func (n *neighbour) mark(t *track, seq wire.Seq, index, count uint16) bool {
	ring := &n.track(t).have
	return ring.touch(seq, t.ringSize()) && ring.add(seq, index, count)
}

func (n *neighbour) unmark(t *track, seq wire.Seq, index uint16) {
	n.track(t).have.remove(seq, index, t.count(seq))
}

// rooted reports whether the neighbour has a path to the source in a tree.
func (n *neighbour) rooted(tr *tree) bool {
	return n.role() == wire.RoleSource || len(n.trees[tr.index].path) > 0
}

// fit makes room for the tracks and trees of the machine.
func (n *neighbour) fit(m *Machine) {
	n.trees = longer(n.trees, len(m.trees))
	if len(m.tracks) > 1 || len(m.trees) > fewTrees {
		if n.more == nil {
			n.more = &moreTracks{}
		}
		n.more.tracks = longer(n.more.tracks, len(m.tracks)-1)
		n.more.told = longer(n.more.told, len(m.trees)-fewTrees)
	}
}

// longer returns a list with zero values added, if it is shorter than n.
func longer[T any](list []T, n int) []T {
	return append(list, make([]T, max(n-len(list), 0))...)
}

// forget drops what was known of an older epoch.
func (n *neighbour) forget(m *Machine) {
	n.synced, n.first, n.trees, n.more = false, remoteTrack{}, nil, nil
	n.told = [fewTrees]told{}
	n.asked, n.fails, n.again = 0, 0, nil
	n.fit(m)
}

func (m *Machine) peerUp(ev PeerUp) {
	if old := m.find(ev.Peer); old != nil {
		m.remove(old)
	}
	if ev.Peer == m.cfg.Self || !ev.Role.Valid() {
		m.stats.Nonsense++
		return
	}
	m.book.connected(ev.Peer)
	if len(m.neighbours) >= m.maxNeighbours() && !(ev.Role != wire.RoleViewer && m.count(ev.Role) < targetServers) && !m.makeRoom() {
		m.emit(Drop{Peer: ev.Peer, Reason: "enough neighbours"})
		return
	}
	n := &neighbour{
		ident: ev.Peer, kind: ev.Role, addrs: slices.Clone(ev.Addrs),
		short: ev.Peer.PathID(), rtt: ev.RTT, up: m.now, heard: m.now, named: -exchangeLimit,
		nextHave: m.now + haveEvery,
	}
	if len(n.addrs) == 0 {
		n.addrs = m.book.addrs(ev.Peer)
	}
	n.tokens.fill(m.now)
	n.fit(m)
	if m.cfg.Role == wire.RoleViewer && n.serves() && m.count(wire.RoleEdge) == 0 {
		m.edgesFrom = m.now + joinGrace
	}
	m.list(n)
	m.nextTell = min(m.nextTell, n.nextHave)
	if m.live {
		m.tellAll(n)
	}
	m.hurryNeighbours()
}

func (m *Machine) peerDown(id wire.PeerID) {
	if n := m.find(id); n != nil {
		m.remove(n)
		m.book.lost(n, m.now)
		m.hurryNeighbours()
	}
}

// remove forgets a neighbour: its trees look for other parents and what was
// asked of it is asked of others, at once.
func (m *Machine) remove(n *neighbour) {
	m.unlist(n)
	m.releaseAsks(n)
	for _, tr := range m.trees {
		if tr.pending == n {
			tr.pending = nil
		}
		if tr.offer == n {
			tr.offer = nil
		}
		if tr.former == n {
			tr.former = nil
		}
		tr.removeChild(n)
		if tr.parent == n {
			m.detach(tr)
		}
	}
}

// fewNeighbours are looked through rather than indexed.
const fewNeighbours = 64

// find returns a neighbour, or nil.
func (m *Machine) find(id wire.PeerID) *neighbour {
	if m.byID != nil {
		return m.byID[id]
	}
	for i, key := range m.keys {
		if key == keyOf(&id) && m.neighbours[i].ident == id {
			return m.neighbours[i]
		}
	}
	return nil
}

func keyOf(id *wire.PeerID) uint32 { return binary.NativeEndian.Uint32(id[:]) }

func (m *Machine) list(n *neighbour) {
	m.neighbours = append(m.neighbours, n)
	m.keys = append(m.keys, keyOf(&n.ident))
	m.roles[n.role()]++
	m.book.changed()
	switch {
	case m.byID != nil:
		m.byID[n.id()] = n
	case len(m.neighbours) > fewNeighbours:
		m.byID = make(map[wire.PeerID]*neighbour, 2*fewNeighbours)
		for _, o := range m.neighbours {
			m.byID[o.id()] = o
		}
	}
}

func (m *Machine) unlist(n *neighbour) {
	i := slices.Index(m.neighbours, n)
	m.neighbours = slices.Delete(m.neighbours, i, i+1)
	m.keys = slices.Delete(m.keys, i, i+1)
	m.roles[n.role()]--
	for _, t := range m.tracks {
		t.claims.stale = true
	}
	m.book.changed()
	if m.byID != nil {
		delete(m.byID, n.id())
	}
}

// drop ends the session with a neighbour.
func (m *Machine) drop(n *neighbour, reason string) {
	m.remove(n)
	m.emit(Drop{Peer: n.id(), Reason: reason})
}

// makeRoom lets a viewer go that an edge that is full has known for long and
// does not feed: who has just come needs the edge more. It looks at a few only.
func (m *Machine) makeRoom() bool {
	if m.cfg.Role != wire.RoleEdge {
		return false
	}
	var oldest *neighbour
	for range vacantTries {
		n := m.neighbours[m.rng.IntN(len(m.neighbours))]
		if !n.serves() && !m.newcomer(n) && (oldest == nil || n.up < oldest.up) && !m.used(n) {
			oldest = n
		}
	}
	if oldest == nil {
		return false
	}
	m.drop(oldest, "enough neighbours")
	return true
}

func (m *Machine) maxNeighbours() int {
	switch m.cfg.Role {
	case wire.RoleEdge:
		if m.uplink > 0 {
			return int(min(max(m.uplink/edgeNeighbourBits, minEdgeNeighbours), maxEdgeNeighbours))
		}
		return maxEdgeNeighbours
	case wire.RoleSource:
		return maxSourceNeighbours
	}
	if m.leaf() {
		return int(min(max(m.uplink/leafNeighbourBits, minLeafNeighbours), maxViewerNeighbours))
	}
	return maxViewerNeighbours
}

// roles counts peers by role.
type roles [wire.RoleViewer + 1]int

// count returns the number of neighbours in a role.
func (m *Machine) count(role wire.Role) int { return m.roles[role] }

// delayMeter follows a delay and its spread, as RFC 6298 does.
type delayMeter struct {
	mean, dev time.Duration
	any       bool
}

func (d *delayMeter) add(v time.Duration) {
	if !d.any {
		d.mean, d.dev, d.any = v, v/2, true
		return
	}
	d.dev += (max(v-d.mean, d.mean-v) - d.dev) / 4
	d.mean += (v - d.mean) / 8
}

// high returns a delay that is rarely exceeded.
func (d *delayMeter) high() time.Duration { return d.mean + 4*d.dev }

// bucket is a token bucket of answerBurst tokens.
type bucket struct {
	left float64
	at   time.Duration
}

func (b *bucket) fill(now time.Duration) { b.left, b.at = answerBurst, now }

func (b *bucket) take(now time.Duration) bool {
	b.left = min(b.left+(now-b.at).Seconds()*answerRate, answerBurst)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
