// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"encoding/binary"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// neighbour is a peer with an open session. What every message from it touches
// stands first: in a large swarm memory is what takes time.
type neighbour struct {
	info   wire.PeerInfo
	heard  time.Duration
	gap    time.Duration // between what it said, at most, of late
	short  wire.PathID
	tracks []remoteTrack // by track index
	trees  []remoteTree  // by tree index
	first  [1]remoteTrack

	rtt       time.Duration
	nextHave  time.Duration
	fedAt     time.Duration // when it was last seen to be a child
	beat      time.Duration // when it was last sent a heartbeat
	spoken    time.Duration // when it was last sent anything
	kinAt     time.Duration // when it was last seen to be a parent or child
	slots     uint16
	slotsTold bool
	synced    bool // it has spoken of the epoch that we are in

	asked  int           // pieces asked of it and not yet come
	spared time.Duration // an edge has too much to do, and is not asked before
	fails  int           // answers that did not come in time, since the last that did
	reply  delayMeter
	up     time.Duration
	told   time.Duration // when it last told of other peers
	tokens bucket
	again  map[wire.PieceID]uint8
	places int // an edge's permanent places, counted while assigning
}

// remoteTrack is what is known of a neighbour's pieces.
type remoteTrack struct {
	newest wire.Seq
	before wire.Seq // what was newest when it last told
	any    bool
	full   bool   // it was told of everything once
	cursor uint64 // changes that it was told of
	have   setRing
}

// remoteTree is a neighbour's place in a tree, and what it was told of ours.
type remoteTree struct {
	path         []wire.PathID
	badUntil     time.Duration // not to be chosen as a parent before
	free, weight uint8
	aside        bool // somebody would be moved aside for its free place

	told       bool
	toldFree   uint8
	toldAside  bool
	toldWeight uint8
	toldPath   []wire.PathID
}

func (n *neighbour) id() wire.PeerID { return n.info.ID }

func (n *neighbour) role() wire.Role { return n.info.Role }

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
	return n.tracks[t.index].have.has(seq, index)
}

// mark notes that the neighbour has, or is being sent, a piece of a fragment of
// count pieces. It returns false if that was known, or if the piece is too old
// to be noted.
func (n *neighbour) mark(t *track, seq wire.Seq, index, count uint16) bool {
	ring := &n.tracks[t.index].have
	return ring.touch(seq, t.ringSize()) && ring.add(seq, index, count)
}

func (n *neighbour) unmark(t *track, seq wire.Seq, index uint16) {
	n.tracks[t.index].have.remove(seq, index, t.count(seq))
}

// rooted reports whether the neighbour has a path to the source in a tree.
func (n *neighbour) rooted(tr *tree) bool {
	return n.role() == wire.RoleSource || len(n.trees[tr.index].path) > 0
}

// fit makes room for the tracks and trees of the machine. The first track needs
// no memory of its own.
func (n *neighbour) fit(m *Machine) {
	if len(m.tracks) > len(n.tracks) {
		tracks := n.first[:]
		if len(m.tracks) > 1 {
			tracks = make([]remoteTrack, len(m.tracks))
			copy(tracks, n.tracks)
		}
		n.tracks = tracks
	}
	if len(m.trees) > len(n.trees) {
		trees := make([]remoteTree, len(m.trees))
		copy(trees, n.trees)
		n.trees = trees
	}
}

// forget drops what was known of an older epoch.
func (n *neighbour) forget(m *Machine) {
	n.synced, n.tracks, n.trees, n.first = false, nil, nil, [1]remoteTrack{}
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
		info:  wire.PeerInfo{ID: ev.Peer, Role: ev.Role, Addrs: slices.Clone(ev.Addrs)},
		short: ev.Peer.PathID(), rtt: ev.RTT, up: m.now, heard: m.now, told: -exchangeLimit,
		nextHave: m.now + haveEvery,
	}
	if len(n.info.Addrs) == 0 {
		n.info.Addrs = m.book.addrs(ev.Peer)
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
		m.book.lost(id, m.now, m.now-n.up)
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
		if key == keyOf(&id) && m.neighbours[i].info.ID == id {
			return m.neighbours[i]
		}
	}
	return nil
}

func keyOf(id *wire.PeerID) uint64 { return binary.NativeEndian.Uint64(id[:]) }

func (m *Machine) list(n *neighbour) {
	m.neighbours = append(m.neighbours, n)
	m.keys = append(m.keys, keyOf(&n.info.ID))
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
		if !n.serves() && m.now-n.up > newcomerTime && (oldest == nil || n.up < oldest.up) && !m.used(n) {
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

// count returns the number of neighbours in a role.
func (m *Machine) count(role wire.Role) int {
	n := 0
	for _, o := range m.neighbours {
		if o.role() == role {
			n++
		}
	}
	return n
}

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
