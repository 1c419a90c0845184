// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"math/bits"
	"time"

	"p2plive/internal/wire"
)

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

// setRing holds the piece sets of the newest fragments of a track. A peer has
// one for each neighbour, so it is no larger than the track's pace asks for, and
// a bit says that a fragment is there as a whole: most have one piece.
type setRing struct {
	newest wire.Seq
	any    bool
	size   uint16                    // a power of two, at most wire.MaxHave
	full   [wire.MaxHave / 64]uint64 // bit seq%size: all of fragment seq is there
	parts  *parts                    // of those that are not full, nil while there are none
}

// parts are the sets of fragments that are there in part, at seq%size.
type parts struct {
	low  []uint64 // pieces below 64
	high []*[wire.MaxPieces/64 - 1]uint64
}

// ringTime is how much of a track a setRing covers at least: a long group of
// pictures, which somebody who has just come asks for.
const ringTime = 4 * time.Second

// ringSize returns how many fragments of a track a setRing holds.
func (t *track) ringSize() int {
	n := min(max(int(ringTime/t.interval()), 32), wire.MaxHave)
	return 1 << bits.Len(uint(n-1))
}

// place returns where a fragment's set is.
func (r *setRing) place(seq wire.Seq) int { return int(seq) & (int(r.size) - 1) }

// covers reports whether there is a place for a fragment's set; late tells
// that it is too old to have one.
func (r *setRing) covers(seq wire.Seq) (covered, late bool) {
	if !r.any || seq > r.newest {
		return false, false
	}
	late = r.newest-seq >= wire.Seq(r.size)
	return !late, late
}

// touch makes a place for a fragment's set, and returns false if it is too old.
func (r *setRing) touch(seq wire.Seq, size int) bool {
	if int(r.size) < size {
		r.grow(size)
	}
	switch {
	case !r.any:
		r.any, r.newest = true, seq
	case seq > r.newest:
		for s := r.newest + 1; s <= seq && s-r.newest <= wire.Seq(r.size); s++ {
			r.drop(r.place(s))
		}
		r.newest = seq
	}
	return r.newest-seq < wire.Seq(r.size)
}

// drop empties the set at a place.
func (r *setRing) drop(i int) {
	r.full[i/64] &^= 1 << (i % 64)
	if r.parts != nil {
		r.parts.low[i] = 0
		if r.parts.high != nil {
			r.parts.high[i] = nil
		}
	}
}

// grow makes the ring larger.
func (r *setRing) grow(size int) {
	old := *r
	r.size, r.full, r.parts = uint16(size), [wire.MaxHave / 64]uint64{}, nil
	for back := wire.Seq(0); back < wire.Seq(old.size) && back <= old.newest; back++ {
		seq := old.newest - back
		if old.isFull(seq) {
			r.addAll(seq)
		} else if old.parts != nil {
			r.put(seq, old.at(old.place(seq)))
		}
	}
}

// isFull reports whether all of a fragment is there. It is covered.
func (r *setRing) isFull(seq wire.Seq) bool {
	i := r.place(seq)
	return r.full[i/64]>>(i%64)&1 != 0
}

// has reports whether a piece is there.
func (r *setRing) has(seq wire.Seq, index uint16) bool {
	if covered, _ := r.covers(seq); !covered {
		return false
	}
	if r.isFull(seq) {
		return true
	}
	set := r.at(r.place(seq))
	return set.has(index)
}

// addAll adds all pieces of a fragment, which is covered.
func (r *setRing) addAll(seq wire.Seq) {
	i := r.place(seq)
	r.drop(i)
	r.full[i/64] |= 1 << (i % 64)
}

// add reports whether a piece is new. Its fragment, of count pieces if that is
// known, is covered.
func (r *setRing) add(seq wire.Seq, index, count uint16) bool {
	if r.isFull(seq) {
		return false
	}
	if count == 1 && index == 0 {
		r.addAll(seq)
		return true
	}
	set := r.at(r.place(seq))
	fresh := set.add(index)
	r.put(seq, set)
	return fresh
}

// remove takes a piece out. Of a fragment whose count is not known, nothing is left.
func (r *setRing) remove(seq wire.Seq, index, count uint16) {
	if covered, _ := r.covers(seq); !covered {
		return
	}
	if count > 0 && index >= count {
		return // there is no such piece
	}
	set := r.at(r.place(seq))
	if r.isFull(seq) {
		r.drop(r.place(seq))
		for i := range count {
			set.add(i)
		}
	}
	set.remove(index)
	if r.parts != nil || count > 1 {
		r.put(seq, set)
	}
}

// at returns a copy of the set at a place, which is not full.
func (r *setRing) at(i int) (s pieceSet) {
	if r.parts != nil {
		s.low = r.parts.low[i]
		if r.parts.high != nil {
			s.high = r.parts.high[i]
		}
	}
	return s
}

// put stores a fragment's set. It is covered, and not full.
func (r *setRing) put(seq wire.Seq, s pieceSet) {
	i := r.place(seq)
	if r.parts == nil {
		r.parts = &parts{low: make([]uint64, r.size)}
	}
	r.parts.low[i] = s.low
	if s.high != nil {
		if r.parts.high == nil {
			r.parts.high = make([]*[wire.MaxPieces/64 - 1]uint64, r.size)
		}
		r.parts.high[i] = s.high
	}
}
