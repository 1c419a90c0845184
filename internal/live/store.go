// SPDX-License-Identifier: GPL-3.0-or-later

package live

import (
	"errors"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// Bounds of a store when its config names none.
const (
	// DefaultSpan covers the slowest join and the longest repair many times over.
	DefaultSpan = 30 * time.Second
	// DefaultBytes is 30 s at 16 Mbit/s: a small machine can hold it per stream.
	DefaultBytes = 64 << 20
)

// Errors of Put.
var (
	ErrTooOld      = errors.New("piece is older than the store keeps")
	ErrOtherEpoch  = errors.New("piece is of another epoch")
	ErrConflicting = errors.New("piece contradicts another piece of its fragment")
)

// StoreConfig bounds a store. Zero values mean the defaults.
type StoreConfig struct {
	Span  time.Duration // kept of each track, by the source's clock
	Bytes int           // kept of all tracks together, with piece overhead
}

// Store keeps the newest pieces of one epoch of a stream. At its limits the
// oldest fragment goes first. It is not safe for concurrent use.
type Store struct {
	cfg    StoreConfig
	epoch  wire.Epoch
	tracks map[wire.TrackID]*trackStore
	bytes  int
}

// trackStore holds the fragments of one track, sorted by sequence number.
type trackStore struct {
	slots []*slot
	floor wire.Seq // fragments below have been evicted
}

// slot is a fragment on its way to being whole.
type slot struct {
	head   wire.PieceHeader // of the piece that came first
	pieces []*wire.Piece
	have   int
	bytes  int
}

// NewStore returns an empty store.
func NewStore(cfg StoreConfig) *Store {
	if cfg.Span == 0 {
		cfg.Span = DefaultSpan
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = DefaultBytes
	}
	return &Store{cfg: cfg, tracks: make(map[wire.TrackID]*trackStore)}
}

// Reset forgets everything and keeps the given epoch from now on.
func (s *Store) Reset(epoch wire.Epoch) {
	s.epoch = epoch
	s.bytes = 0
	clear(s.tracks)
}

// Bytes returns what the store holds, with piece overhead.
func (s *Store) Bytes() int { return s.bytes }

// Put keeps a piece whose signature the caller has verified. It reports
// whether the piece was new, and whether it made its fragment whole.
func (s *Store) Put(p *wire.Piece) (fresh, whole bool, err error) {
	if p.Epoch != s.epoch {
		return false, false, ErrOtherEpoch
	}
	t := s.tracks[p.Track]
	if t == nil {
		if len(s.tracks) >= wire.MaxTracks {
			return false, false, ErrConflicting
		}
		t = &trackStore{}
		s.tracks[p.Track] = t
	}
	if p.Seq < t.floor {
		return false, false, ErrTooOld
	}
	sl := t.slot(&p.PieceHeader)
	if !sl.agrees(&p.PieceHeader) {
		return false, false, ErrConflicting
	}
	if sl.pieces[p.Index] != nil {
		return false, false, nil
	}
	sl.pieces[p.Index] = p
	sl.have++
	sl.bytes += len(p.Raw())
	s.bytes += len(p.Raw())
	whole = sl.have == len(sl.pieces)
	s.evict(t)
	return true, whole, nil
}

// slot returns the fragment's slot, made if it is not there.
func (t *trackStore) slot(h *wire.PieceHeader) *slot {
	i, found := t.find(h.Seq)
	if !found {
		t.slots = slices.Insert(t.slots, i, &slot{head: *h, pieces: make([]*wire.Piece, h.Count)})
	}
	return t.slots[i]
}

func (t *trackStore) find(seq wire.Seq) (int, bool) {
	return slices.BinarySearchFunc(t.slots, seq, func(sl *slot, seq wire.Seq) int {
		switch {
		case sl.head.Seq < seq:
			return -1
		case sl.head.Seq > seq:
			return 1
		}
		return 0
	})
}

func (sl *slot) agrees(h *wire.PieceHeader) bool {
	first := sl.head
	first.Index = h.Index
	return first == *h
}

// evict drops the oldest fragments until the bounds hold again.
func (s *Store) evict(t *trackStore) {
	newest := t.slots[len(t.slots)-1].head.Wall
	for len(t.slots) > 1 && newest-t.slots[0].head.Wall > s.cfg.Span.Milliseconds() {
		s.dropOldest(t)
	}
	for s.bytes > s.cfg.Bytes {
		oldest := t
		for _, other := range s.tracks {
			if len(other.slots) > 1 && other.slots[0].head.Wall < oldest.slots[0].head.Wall {
				oldest = other
			}
		}
		if len(oldest.slots) == 1 {
			return
		}
		s.dropOldest(oldest)
	}
}

func (s *Store) dropOldest(t *trackStore) {
	s.bytes -= t.slots[0].bytes
	t.floor = t.slots[0].head.Seq + 1
	t.slots[0] = nil
	t.slots = t.slots[1:]
}

// Piece returns a piece, or nil if the store does not hold it.
func (s *Store) Piece(id wire.PieceID) *wire.Piece {
	if sl := s.lookup(id.Track, id.Seq); sl != nil && int(id.Index) < len(sl.pieces) {
		return sl.pieces[id.Index]
	}
	return nil
}

// Fragment puts a fragment together, or returns nil if the store does not
// hold all of its pieces.
func (s *Store) Fragment(track wire.TrackID, seq wire.Seq) *Fragment {
	sl := s.lookup(track, seq)
	if sl == nil || sl.have != len(sl.pieces) {
		return nil
	}
	data := make([]byte, 0, sl.bytes)
	for _, p := range sl.pieces {
		data = append(data, p.Payload...)
	}
	h := &sl.head
	return &Fragment{
		Epoch: h.Epoch, Track: h.Track, Seq: h.Seq, Key: h.Key,
		Base: h.Base, Duration: h.Duration, Wall: h.Wall, Data: data,
	}
}

func (s *Store) lookup(track wire.TrackID, seq wire.Seq) *slot {
	t := s.tracks[track]
	if t == nil {
		return nil
	}
	i, found := t.find(seq)
	if !found {
		return nil
	}
	return t.slots[i]
}
