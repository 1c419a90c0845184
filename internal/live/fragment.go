// SPDX-License-Identifier: GPL-3.0-or-later

package live

import (
	"fmt"

	"p2plive/internal/wire"
)

// Fragment is one CMAF chunk (moof and mdat) of one track.
type Fragment struct {
	Epoch    wire.Epoch
	Track    wire.TrackID
	Seq      wire.Seq
	Key      bool   // starts with a random access point
	Base     uint64 // decode time of its first sample, in the track's timescale
	Duration uint32 // in the track's timescale
	Wall     int64  // source's clock when it was cut, Unix milliseconds
	Data     []byte // never changed once the fragment is made
}

// MaxFragment is the largest fragment that can be split, in bytes.
const MaxFragment = wire.MaxPieces * wire.MaxPiecePayload

// cut is what a piece has at most, in bytes, unless there would be too many. A piece goes on
// when it is whole, and to one child after another: half of its size halves the time that
// each hop takes, and the queues on lines that are nearly full.
const cut = 6 << 10

// Split cuts a fragment into signed pieces.
func (s *Signer) Split(f *Fragment) ([]*wire.Piece, error) {
	if len(f.Data) == 0 || len(f.Data) > MaxFragment {
		return nil, fmt.Errorf("fragment %d of track %d has %d bytes, want 1 to %d",
			f.Seq, f.Track, len(f.Data), MaxFragment)
	}
	count := min((len(f.Data)+cut-1)/cut, wire.MaxPieces)
	// Pieces of equal size: a last piece of a few bytes would cost a whole header.
	size := (len(f.Data) + count - 1) / count
	pieces := make([]*wire.Piece, count)
	for i := range pieces {
		end := min((i+1)*size, len(f.Data))
		pieces[i] = s.Sign(wire.PieceHeader{
			Epoch: f.Epoch, Track: f.Track, Key: f.Key, Seq: f.Seq,
			Index: uint16(i), Count: uint16(count),
			Base: f.Base, Duration: f.Duration, Wall: f.Wall,
		}, f.Data[i*size:end])
	}
	return pieces, nil
}
