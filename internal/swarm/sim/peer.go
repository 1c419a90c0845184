// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// peer is one participant: its machine, and what its runner would keep. What
// every event touches stands first.
type peer struct {
	index    uint32
	caused   uint32 // events
	machine  *swarm.Machine
	links    links
	role     wire.Role
	leaf     bool // shares nothing
	bad      bool // spoils what it sends
	alive    bool
	abrupt   bool // will go without a word
	up       uplink
	rng      uint64 // of SplitMix64
	player   player
	store    store
	dialling []dialling
	dials    uint32
	came     time.Duration // it asked to be let in
	leaves   time.Duration
	banned   []ban
	direct   direct
}

// site is what others may know of a peer: it never changes.
type site struct {
	lan    int32 // -1 for none
	role   wire.Role
	nat    natType
	region uint8
}

// link names an open session, as one end sees it.
type link struct{ peer, session uint32 }

// sent is when what was sent last over a link arrives at the other end: each
// channel keeps its order.
type sent struct{ control, pieces, repairs time.Duration }

// links are the open sessions of a peer. What comes looks for its link only.
type links struct {
	list  []link
	sent  []sent           // over each of them
	index map[uint32]int32 // by peer, where there are many
}

// fewLinks are looked through rather than indexed.
const fewLinks = 64

// find returns the place of the link to another peer, -1 if there is none.
func (s *links) find(peer uint32) int {
	if s.index == nil {
		for i := range s.list {
			if s.list[i].peer == peer {
				return i
			}
		}
		return -1
	}
	if i, ok := s.index[peer]; ok {
		return int(i)
	}
	return -1
}

// open reports whether a session with another peer is open.
func (s *links) open(peer, session uint32) bool {
	i := s.find(peer)
	return i >= 0 && s.list[i].session == session
}

func (s *links) add(peer, session uint32) {
	s.list, s.sent = append(s.list, link{peer, session}), append(s.sent, sent{})
	switch {
	case s.index != nil:
		s.index[peer] = int32(len(s.list) - 1)
	case len(s.list) > fewLinks:
		s.index = make(map[uint32]int32, 2*fewLinks)
		for i, l := range s.list {
			s.index[l.peer] = int32(i)
		}
	}
}

// remove ends a session, and reports whether it was there.
func (s *links) remove(peer, session uint32) bool {
	i := s.find(peer)
	if i < 0 || s.list[i].session != session {
		return false
	}
	last := len(s.list) - 1
	s.list[i], s.sent[i] = s.list[last], s.sent[last]
	s.list, s.sent = s.list[:last], s.sent[:last]
	if s.index != nil {
		delete(s.index, peer)
		if i < last {
			s.index[s.list[i].peer] = int32(i)
		}
	}
	return true
}

// ban keeps a peer away.
type ban struct {
	peer  uint32
	until time.Duration
}

func (p *peer) isBanned(o uint32, now time.Duration) bool {
	return slices.ContainsFunc(p.banned, func(b ban) bool { return b.peer == o && now < b.until })
}

// chance draws a number from 0 to 1.
func (p *peer) chance() float64 {
	p.rng++
	return float64(mix(p.rng)>>11) / (1 << 53)
}

// id returns the name of a peer; its number can be read from it.
func id(index uint32) (id wire.PeerID) {
	binary.BigEndian.PutUint32(id[:], index)
	id[4] = 1 // none is all zero
	return id
}

func indexOf(id wire.PeerID) uint32 { return binary.BigEndian.Uint32(id[:]) }

func (w *world) info(index uint32) wire.PeerInfo {
	return wire.PeerInfo{ID: id(index), Role: w.sites[index].role}
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
