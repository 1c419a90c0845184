// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import "encoding/binary"

const (
	// MaxPiecePayload bounds a piece: large enough that its header and
	// signature stay below 1%, small enough that a hop costs little time
	// (at 16 KiB a swarm of 10,000 lags 406 ms, at 64 KiB 1,177 ms).
	MaxPiecePayload = 16 << 10
	// MaxPieces bounds a fragment to 4 MiB, far above any sane key frame.
	MaxPieces = 256
	// SignatureSize is that of Ed25519.
	SignatureSize = 64

	pieceHeaderSize = 40
	// PieceOverhead is what a piece costs beside its payload, in bytes.
	PieceOverhead = pieceHeaderSize + SignatureSize
)

const flagKey = 1

// PieceHeader describes a piece and the fragment that it is a part of.
type PieceHeader struct {
	Epoch    Epoch
	Track    TrackID
	Key      bool   // the fragment starts with a random access point
	Seq      Seq    // of the fragment
	Index    uint16 // of the piece in its fragment
	Count    uint16 // pieces of the fragment, 1 to MaxPieces
	Base     uint64 // decode time of the fragment, in the track's timescale
	Duration uint32 // of the fragment, in the track's timescale
	Wall     int64  // source's clock when the fragment was cut, Unix ms
}

// ID returns the piece's name within its epoch.
func (h *PieceHeader) ID() PieceID { return PieceID{h.Track, h.Seq, h.Index} }

// Piece is what travels and what is signed: a part of a fragment.
type Piece struct {
	PieceHeader
	Payload   []byte
	Signature [SignatureSize]byte
	// raw is header, payload and signature as they were on the wire, so that
	// forwarding copies nothing and changes nothing.
	raw []byte
}

// Raw returns the piece's encoding. The caller must not change it.
func (p *Piece) Raw() []byte { return p.raw }

// Signed returns what the signature covers, beside the stream's id: header
// and payload. The caller must not change it.
func (p *Piece) Signed() []byte { return p.raw[:len(p.raw)-SignatureSize] }

// EncodePiece lays out header and payload and lets sign fill in the signature
// over them.
func EncodePiece(h PieceHeader, payload []byte, sign func(signed []byte) [SignatureSize]byte) *Piece {
	b := make([]byte, 0, PieceOverhead+len(payload))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Epoch))
	var flags byte
	if h.Key {
		flags |= flagKey
	}
	b = append(b, byte(h.Track), flags)
	b = binary.BigEndian.AppendUint32(b, uint32(h.Seq))
	b = binary.BigEndian.AppendUint16(b, h.Index)
	b = binary.BigEndian.AppendUint16(b, h.Count)
	b = binary.BigEndian.AppendUint64(b, h.Base)
	b = binary.BigEndian.AppendUint32(b, h.Duration)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Wall))
	b = appendBytes(b, payload)
	p := &Piece{PieceHeader: h, Signature: sign(b)}
	p.raw = append(b, p.Signature[:]...)
	p.Payload = p.raw[pieceHeaderSize : len(p.raw)-SignatureSize]
	return p
}

// ParsePiece reads a piece. It keeps b: the caller must not change it after.
func ParsePiece(b []byte) (*Piece, error) {
	r := reader{b: b}
	p := &Piece{raw: b}
	p.Epoch = Epoch(r.u64())
	p.Track = TrackID(r.u8())
	flags := r.u8()
	p.Key = flags&flagKey != 0
	p.Seq = Seq(r.u32())
	p.Index = r.u16()
	p.Count = r.u16()
	p.Base = r.u64()
	p.Duration = r.u32()
	p.Wall = int64(r.u64())
	p.Payload = r.bytes(MaxPiecePayload)
	copy(p.Signature[:], r.take(SignatureSize))
	switch err := r.end(); {
	case err != nil:
		return nil, err
	case p.Track == 0, flags&^flagKey != 0, len(p.Payload) == 0,
		p.Count == 0, p.Count > MaxPieces, p.Index >= p.Count:
		return nil, ErrMalformed
	}
	return p, nil
}
