// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import "encoding/binary"

const (
	// MaxHave bounds the fragments of one track in a have-map: four seconds
	// of 60 frames a second.
	MaxHave = 256
	// MaxRequest bounds the pieces of one Request or Lack.
	MaxRequest = 128
)

// FragmentHave tells which pieces of a fragment a peer has.
type FragmentHave struct {
	Count uint16 // pieces of the fragment, 0 if there is nothing to tell
	Bits  []byte // bit i of byte i/8 stands for piece i; nil if all are there
}

// TrackHave is a track's part of a have-map.
type TrackHave struct {
	Track  TrackID
	Newest Seq // newest fragment of which the sender has a piece
	// Start is where a new viewer should begin: the newest key frame, or the
	// audio nearest to it. It is not above Newest.
	Start Seq
	// Base is the first fragment that Fragments tells of, not above Newest.
	Base      Seq
	Fragments []FragmentHave // of Base and those after it, at most MaxHave
}

// Have tells a neighbour which pieces have come to the sender since the last
// Have, leaving out what the neighbour itself is known to have.
type Have struct {
	Epoch  EpochTag
	Tracks []TrackHave
}

// Type implements Message.
func (*Have) Type() Type { return TypeHave }

// A fragment is one number: 0 for nothing to tell, twice the count if all
// pieces are there, or one more than that before a bitmap. So most fragments
// are one byte.
const flagPartial = 1

func (m *Have) append(b []byte) []byte {
	b = append(appendTag(b, m.Epoch), byte(len(m.Tracks)))
	for i := range m.Tracks {
		t := &m.Tracks[i]
		b = appendSeq(append(b, byte(t.Track)), t.Newest)
		b = binary.AppendUvarint(b, uint64(t.Newest-t.Start))
		b = binary.AppendUvarint(b, uint64(t.Newest-t.Base))
		b = binary.AppendUvarint(b, uint64(len(t.Fragments)))
		for _, f := range t.Fragments {
			if f.Bits == nil {
				b = binary.AppendUvarint(b, uint64(f.Count)<<1)
				continue
			}
			b = binary.AppendUvarint(b, uint64(f.Count)<<1|flagPartial)
			b = append(b, f.Bits...)
		}
	}
	return b
}

func parseHave(r *reader) (Message, error) {
	m := &Have{Epoch: r.tag()}
	n := int(r.u8())
	if n > MaxTracks {
		return nil, ErrMalformed
	}
	for range n {
		t := r.trackHave()
		if r.bad {
			return nil, ErrMalformed
		}
		m.Tracks = append(m.Tracks, t)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

func (r *reader) trackHave() TrackHave {
	t := TrackHave{Track: TrackID(r.u8()), Newest: Seq(r.u32())}
	start, base, n := r.uvarint(), r.uvarint(), r.uvarint()
	if t.Track == 0 || start > uint64(t.Newest) || base > uint64(t.Newest) || n > MaxHave {
		r.bad = true
	}
	// Each fragment takes a byte at least: nothing is allocated for a lie.
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return t
	}
	t.Start, t.Base = t.Newest-Seq(start), t.Newest-Seq(base)
	for range n {
		v := r.uvarint()
		f := FragmentHave{Count: uint16(min(v>>1, MaxPieces+1))}
		if v&flagPartial != 0 {
			f.Bits = r.take((int(f.Count) + 7) / 8)
			if f.Count == 0 {
				r.bad = true
			}
		}
		if r.bad || f.Count > MaxPieces {
			r.bad = true
			return t
		}
		t.Fragments = append(t.Fragments, f)
	}
	return t
}

// Request asks for pieces.
type Request struct {
	Epoch EpochTag
	Via   Via       // Repair or Rescue
	IDs   []PieceID // at most MaxRequest
}

// Type implements Message.
func (*Request) Type() Type { return TypeRequest }

func (m *Request) append(b []byte) []byte {
	return appendPieceIDs(append(appendTag(b, m.Epoch), byte(m.Via)), m.IDs)
}

func parseRequest(r *reader) (Message, error) {
	m := &Request{Epoch: r.tag(), Via: Via(r.u8()), IDs: r.pieceIDs()}
	if err := r.end(); err != nil || m.Via != Repair && m.Via != Rescue {
		return nil, ErrMalformed
	}
	return m, nil
}

// Lack answers a Request with the pieces that will not come from the sender.
type Lack struct {
	Epoch EpochTag
	IDs   []PieceID // at most MaxRequest
}

// Type implements Message.
func (*Lack) Type() Type { return TypeLack }

func (m *Lack) append(b []byte) []byte { return appendPieceIDs(appendTag(b, m.Epoch), m.IDs) }

func parseLack(r *reader) (Message, error) {
	m := &Lack{Epoch: r.tag(), IDs: r.pieceIDs()}
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

const pieceIDSize = 7

func appendPieceIDs(b []byte, ids []PieceID) []byte {
	ids = ids[:min(len(ids), MaxRequest)]
	b = append(b, byte(len(ids)))
	for _, id := range ids {
		b = appendSeq(append(b, byte(id.Track)), id.Seq)
		b = binary.BigEndian.AppendUint16(b, id.Index)
	}
	return b
}

func (r *reader) pieceIDs() []PieceID {
	n := int(r.u8())
	if n == 0 || n > MaxRequest || len(r.b) < n*pieceIDSize {
		r.bad = true
		return nil
	}
	ids := make([]PieceID, n)
	for i := range ids {
		ids[i] = PieceID{Track: TrackID(r.u8()), Seq: Seq(r.u32()), Index: r.u16()}
		if ids[i].Track == 0 || ids[i].Index >= MaxPieces {
			r.bad = true
			return nil
		}
	}
	return ids
}
