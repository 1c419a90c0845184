// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"slices"

	"p2plive/internal/wire"
)

// haveFragments is how many fragments a have-map can tell of that fits in an
// event: those since the newest key frame. So half of all events need no memory
// of their own.
const haveFragments = 64

// take puts a message into an event: most fit, and need no memory of their own.
func (e *event) take(msg wire.Message) {
	kept := msg
	switch msg := msg.(type) {
	case *wire.Have:
		if e.pack(msg) {
			return
		}
		kept = copyHave(msg)
	case *wire.Heartbeat:
		if len(msg.Trees) == 0 {
			e.kind, e.arg = evBeat, uint32(msg.Slots)
			return
		}
	}
	e.keep(kept)
}

// keep has the event refer to a message.
func (e *event) keep(msg wire.Message) { e.kind, e.msg = evMessage, &msg }

// pack reports whether a have-map fits, as most do: they are of few fragments
// of one piece.
func (e *event) pack(m *wire.Have) bool {
	e.kind, e.told = evHave, 0
	if len(m.Tracks) == 0 {
		return true
	}
	t := &m.Tracks[0]
	if len(m.Tracks) > 1 || len(t.Fragments) > haveFragments || t.Newest-min(t.Start, t.Base) >= 1<<16 {
		return false
	}
	e.have = 0
	for i := range t.Fragments {
		f := &t.Fragments[i]
		if f.Count > 1 || f.Bits != nil {
			return false
		}
		e.have |= uint64(f.Count) << i
	}
	e.arg, e.start, e.base = uint32(t.Newest), uint16(t.Newest-t.Start), uint16(t.Newest-t.Base)
	e.told = uint8(len(t.Fragments)) + 1
	return true
}

// unpack fills in a have-map, whose memory is used again.
func (e *event) unpack(m *wire.Have) {
	m.Epoch = epoch.Tag()
	if e.told == 0 {
		m.Tracks = m.Tracks[:0]
		return
	}
	m.Tracks = slices.Grow(m.Tracks[:0], 1)[:1]
	t, newest := &m.Tracks[0], wire.Seq(e.arg)
	*t = wire.TrackHave{
		Track: track, Newest: newest, Start: newest - wire.Seq(e.start), Base: newest - wire.Seq(e.base),
		Fragments: slices.Grow(t.Fragments[:0], haveFragments)[:e.told-1],
	}
	for i := range t.Fragments {
		t.Fragments[i] = wire.FragmentHave{Count: uint16(e.have >> i & 1)}
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
