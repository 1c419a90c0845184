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

// setRing holds the piece sets of the newest fragments of a track. A peer has
// one for each neighbour, so it is no larger than the track's pace asks for.
type setRing struct {
	newest wire.Seq
	any    bool
	low    []uint64 // of fragment seq at seq%len(low): pieces below 64
	high   []*[wire.MaxPieces/64 - 1]uint64
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
	late = int64(r.newest-seq) >= int64(len(r.low))
	return !late, late
}

// touch makes a place for a fragment's set, and returns false if it is too old.
func (r *setRing) touch(seq wire.Seq, size int) bool {
	if len(r.low) < size {
		r.grow(size)
	}
	n := wire.Seq(len(r.low))
	switch {
	case !r.any:
		r.any, r.newest = true, seq
	case seq > r.newest:
		for s := r.newest + 1; s <= seq && s-r.newest <= n; s++ {
			r.low[s%n] = 0
			if r.high != nil {
				r.high[s%n] = nil
			}
		}
		r.newest = seq
	}
	return r.newest-seq < n
}

// grow makes the ring larger.
func (r *setRing) grow(size int) {
	old := *r
	r.low, r.high = make([]uint64, size), nil
	if old.high != nil {
		r.high = make([]*[wire.MaxPieces/64 - 1]uint64, size)
	}
	n := wire.Seq(len(old.low))
	for back := wire.Seq(0); back < n && back <= old.newest; back++ {
		from, to := (old.newest-back)%n, (old.newest-back)%wire.Seq(size)
		r.low[to] = old.low[from]
		if old.high != nil {
			r.high[to] = old.high[from]
		}
	}
}

// set returns a copy of a fragment's set. It is covered.
func (r *setRing) set(seq wire.Seq) pieceSet {
	i := int(seq) % len(r.low)
	s := pieceSet{low: r.low[i]}
	if r.high != nil {
		s.high = r.high[i]
	}
	return s
}

// put stores a fragment's set. It is covered.
func (r *setRing) put(seq wire.Seq, s pieceSet) {
	i := int(seq) % len(r.low)
	r.low[i] = s.low
	if s.high != nil {
		if r.high == nil {
			r.high = make([]*[wire.MaxPieces/64 - 1]uint64, len(r.low))
		}
		r.high[i] = s.high
	}
}
