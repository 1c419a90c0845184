// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"slices"

	"p2plive/internal/wire"
)

// haveFragments is how many fragments a have-map of the kind below can tell of:
// more than there are in storeTime.
const haveFragments = 128

// have is a have-map as most are: of few fragments of one piece. So half of all
// events need no memory of their own.
type have struct {
	bits        [haveFragments / 64]uint64 // of fragment base and those after it
	newest      wire.Seq
	start, base uint16 // below newest
	n           uint8  // fragments that it tells of
	any         bool
}

// pack reports whether a have-map fits.
func (h *have) pack(m *wire.Have) bool {
	*h = have{}
	if len(m.Tracks) == 0 {
		return true
	}
	t := &m.Tracks[0]
	if len(m.Tracks) > 1 || len(t.Fragments) > haveFragments || t.Newest-min(t.Start, t.Base) >= 1<<16 {
		return false
	}
	for i := range t.Fragments {
		f := &t.Fragments[i]
		if f.Count > 1 || f.Bits != nil {
			return false
		}
		h.bits[i/64] |= uint64(f.Count) << (i % 64)
	}
	h.newest, h.start, h.base = t.Newest, uint16(t.Newest-t.Start), uint16(t.Newest-t.Base)
	h.n, h.any = uint8(len(t.Fragments)), true
	return true
}

// unpack fills in a have-map, whose memory is used again.
func (h *have) unpack(m *wire.Have) {
	m.Epoch = epoch.Tag()
	if !h.any {
		m.Tracks = m.Tracks[:0]
		return
	}
	m.Tracks = slices.Grow(m.Tracks[:0], 1)[:1]
	t := &m.Tracks[0]
	*t = wire.TrackHave{
		Track: track, Newest: h.newest, Start: h.newest - wire.Seq(h.start), Base: h.newest - wire.Seq(h.base),
		Fragments: slices.Grow(t.Fragments[:0], haveFragments)[:h.n],
	}
	for i := range t.Fragments {
		t.Fragments[i] = wire.FragmentHave{Count: uint16(h.bits[i/64] >> (i % 64) & 1)}
	}
}

// copyHave copies a have-map that does not fit.
func copyHave(m *wire.Have) *wire.Have {
	c := &wire.Have{Epoch: m.Epoch, Tracks: slices.Clone(m.Tracks)}
	for i := range c.Tracks {
		t := &c.Tracks[i]
		t.Fragments = slices.Clone(t.Fragments)
		for j := range t.Fragments {
			t.Fragments[j].Bits = slices.Clone(t.Fragments[j].Bits)
		}
	}
	return c
}
