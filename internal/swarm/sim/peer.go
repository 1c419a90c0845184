// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// peer is one participant: its machine, and what its runner would keep.
type peer struct {
	index   uint32
	role    wire.Role
	nat     natType
	region  uint8
	leaf    bool // shares nothing
	bad     bool // spoils what it sends
	alive   bool
	abrupt  bool  // will go without a word
	lan     int32 // -1 for none
	place   int   // in the tracker's list, -1 if not in it
	wake    uint32
	machine *swarm.Machine
	up      uplink
	links   []link // by peer
	store   store
	player  player
	came    time.Duration // it asked to be let in
	leaves  time.Duration
	edge    uint32 // serves it while P2P is off
	shown   uint32 // next fragment to be shown while P2P is off
	banned  []ban
	owed    int64 // bytes sent to those that have places here, and for rescue
}

// link is an open session, as one end sees it.
type link struct {
	peer    uint32
	session uint32
	// When what was sent last arrives at the other end: each channel keeps
	// its order.
	control, pieces, repairs time.Duration
}

// ban keeps a peer away.
type ban struct {
	peer  uint32
	until time.Duration
}

// id returns the name of a peer; its number can be read from it.
func (w *world) id(index uint32) (id wire.PeerID) {
	binary.BigEndian.PutUint32(id[:], index)
	id[4] = 1 // none is all zero
	return id
}

func indexOf(id wire.PeerID) uint32 { return binary.BigEndian.Uint32(id[:]) }

func (w *world) info(index uint32) wire.PeerInfo {
	return wire.PeerInfo{ID: w.id(index), Role: w.peers[index].role}
}

// link returns the session with another peer, or nil.
func (p *peer) link(o uint32) *link {
	i, ok := slices.BinarySearchFunc(p.links, o, func(l link, o uint32) int { return int(l.peer) - int(o) })
	if !ok {
		return nil
	}
	return &p.links[i]
}

func (p *peer) connect(o, session uint32) {
	i, _ := slices.BinarySearchFunc(p.links, o, func(l link, o uint32) int { return int(l.peer) - int(o) })
	p.links = slices.Insert(p.links, i, link{peer: o, session: session})
}

// disconnect ends a session, and reports whether it was there.
func (p *peer) disconnect(o, session uint32) bool {
	i, ok := slices.BinarySearchFunc(p.links, o, func(l link, o uint32) int { return int(l.peer) - int(o) })
	if !ok || p.links[i].session != session {
		return false
	}
	p.links = slices.Delete(p.links, i, i+1)
	return true
}

func (p *peer) isBanned(o uint32, now time.Duration) bool {
	return slices.ContainsFunc(p.banned, func(b ban) bool { return b.peer == o && now < b.until })
}

// store remembers which of the newest pieces a peer has.
type store struct {
	bits [windowPieces / 64]uint64
	next uint32 // one above the newest
}

func (s *store) has(seq uint32) bool {
	return seq < s.next && s.next-seq <= windowPieces && s.bits[seq%windowPieces/64]>>(seq%64)&1 != 0
}

// put reports whether the piece is new. One that is too old is not kept.
func (s *store) put(seq uint32) bool {
	if seq >= s.next {
		if seq-s.next >= windowPieces {
			s.bits, s.next = [windowPieces / 64]uint64{}, seq
		}
		for ; s.next <= seq; s.next++ {
			s.bits[s.next%windowPieces/64] &^= 1 << (s.next % 64)
		}
	}
	if s.next-seq > windowPieces || s.has(seq) {
		return false
	}
	s.bits[seq%windowPieces/64] |= 1 << (seq % 64)
	return true
}
