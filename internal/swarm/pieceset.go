// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "p2plive/internal/wire"

// pieceSet is a set of piece indices below wire.MaxPieces. Nearly all
// fragments have fewer than 64 pieces and need no second part.
type pieceSet struct {
	low  uint64
	high *[wire.MaxPieces/64 - 1]uint64
}

func (s *pieceSet) has(i uint16) bool {
	if i < 64 {
		return s.low>>i&1 != 0
	}
	return s.high != nil && s.high[i/64-1]>>(i%64)&1 != 0
}

// add reports whether i is new.
func (s *pieceSet) add(i uint16) bool {
	if s.has(i) {
		return false
	}
	if i < 64 {
		s.low |= 1 << i
		return true
	}
	if s.high == nil {
		s.high = new([wire.MaxPieces/64 - 1]uint64)
	}
	s.high[i/64-1] |= 1 << (i % 64)
	return true
}

func (s *pieceSet) remove(i uint16) {
	switch {
	case i < 64:
		s.low &^= 1 << i
	case s.high != nil:
		s.high[i/64-1] &^= 1 << (i % 64)
	}
}

// addAll adds the first n indices.
func (s *pieceSet) addAll(n uint16) {
	if n <= 64 {
		s.low |= 1<<n - 1
		return
	}
	for i := range n {
		s.add(i)
	}
}

// setRing holds the piece sets of the newest fragments of a track.
type setRing struct {
	slots [wire.MaxHave]struct {
		seq  wire.Seq
		used bool
		set  pieceSet
	}
}

// get returns the set of a fragment, or nil if there is none. late tells that
// the fragment is too old to have one.
func (r *setRing) get(seq wire.Seq) (set *pieceSet, late bool) {
	s := &r.slots[seq%wire.MaxHave]
	if s.used && s.seq == seq {
		return &s.set, false
	}
	return nil, s.used && s.seq > seq
}

// touch returns the set of a fragment, made if need be, or nil if it is too old.
func (r *setRing) touch(seq wire.Seq) *pieceSet {
	s := &r.slots[seq%wire.MaxHave]
	if s.used && s.seq > seq {
		return nil
	}
	if !s.used || s.seq != seq {
		s.seq, s.used, s.set = seq, true, pieceSet{}
	}
	return &s.set
}
