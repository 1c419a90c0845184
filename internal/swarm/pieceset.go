// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
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
	size   uint16
	full   []uint64 // bit seq%size: all of fragment seq is there
	// Of those that are not full, nil while there are none.
	low  []uint64 // of fragment seq at seq%size: pieces below 64
	high []*[wire.MaxPieces/64 - 1]uint64
}

// ringTime is how much of a track a setRing covers: a long group of pictures,
// which somebody who has just come asks for.
const ringTime = 4 * time.Second

// ringSize returns how many fragments of a track a setRing holds.
func (t *track) ringSize() int {
	return min(max(int(ringTime/t.interval()), 32), wire.MaxHave)
}

// covers reports whether there is a place for a fragment's set; late tells
// that it is too old to have one.
func (r *setRing) covers(seq wire.Seq) (covered, late bool) {
	if !r.any || seq > r.newest {
		return false, false
	}
	late = r.newest-seq >= wire.Seq(r.size)
	return !late, late
}

func (r *setRing) covered(seq wire.Seq) bool {
	covered, _ := r.covers(seq)
	return covered
}

// touch makes a place for a fragment's set, and returns false if it is too old.
func (r *setRing) touch(seq wire.Seq, size int) bool {
	if int(r.size) < size {
		r.grow(size)
	}
	n := wire.Seq(r.size)
	switch {
	case !r.any:
		r.any, r.newest = true, seq
	case seq > r.newest:
		for s := r.newest + 1; s <= seq && s-r.newest <= n; s++ {
			r.drop(int(s % n))
		}
		r.newest = seq
	}
	return r.newest-seq < n
}

// drop empties the set at a place.
func (r *setRing) drop(i int) {
	r.full[i/64] &^= 1 << (i % 64)
	if r.low != nil {
		r.low[i] = 0
	}
	if r.high != nil {
		r.high[i] = nil
	}
}

// grow makes the ring larger.
func (r *setRing) grow(size int) {
	old := *r
	r.size, r.full, r.low, r.high = uint16(size), make([]uint64, (size+63)/64), nil, nil
	n := wire.Seq(old.size)
	for back := wire.Seq(0); back < n && back <= old.newest; back++ {
		from, seq := int((old.newest-back)%n), old.newest-back
		if old.full[from/64]>>(from%64)&1 != 0 {
			r.addAll(seq)
		}
		if old.low != nil {
			r.put(seq, old.at(from))
		}
	}
}

// isFull reports whether all of a fragment is there. It is covered.
func (r *setRing) isFull(seq wire.Seq) bool {
	i := seq % wire.Seq(r.size)
	return r.full[i/64]>>(i%64)&1 != 0
}

// has reports whether a piece is there.
func (r *setRing) has(seq wire.Seq, index uint16) bool {
	if !r.covered(seq) {
		return false
	}
	if r.isFull(seq) {
		return true
	}
	set := r.at(int(seq) % int(r.size))
	return set.has(index)
}

// addAll adds all pieces of a fragment, which is covered.
func (r *setRing) addAll(seq wire.Seq) {
	i := int(seq) % int(r.size)
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
	set := r.at(int(seq) % int(r.size))
	fresh := set.add(index)
	r.put(seq, set)
	return fresh
}

// remove takes a piece out. Of a fragment whose count is not known, nothing is left.
func (r *setRing) remove(seq wire.Seq, index, count uint16) {
	if !r.covered(seq) {
		return
	}
	i := int(seq) % int(r.size)
	set := r.at(i)
	if r.isFull(seq) {
		r.drop(i)
		for j := range count {
			set.add(j)
		}
	}
	set.remove(index)
	if r.low != nil || count > 1 {
		r.put(seq, set)
	}
}

// at returns a copy of the set at a place, which is not full.
func (r *setRing) at(i int) (s pieceSet) {
	if r.low != nil {
		s.low = r.low[i]
	}
	if r.high != nil {
		s.high = r.high[i]
	}
	return s
}

// put stores a fragment's set. It is covered, and not full.
func (r *setRing) put(seq wire.Seq, s pieceSet) {
	i := int(seq) % int(r.size)
	if r.low == nil {
		r.low = make([]uint64, r.size)
	}
	r.low[i] = s.low
	if s.high != nil {
		if r.high == nil {
			r.high = make([]*[wire.MaxPieces/64 - 1]uint64, r.size)
		}
		r.high[i] = s.high
	}
}
