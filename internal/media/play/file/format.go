// SPDX-License-Identifier: GPL-3.0-or-later

package file

import (
	"p2plive/internal/media/cmaf"
	"p2plive/internal/media/play"
	"p2plive/internal/media/play/mpegts"
)

// fragmented is MP4 as a row of fragments, good up to its last whole one.
type fragmented struct {
	begun    bool
	sequence uint32
	buf      []byte
}

func (f *fragmented) catalog(cut *play.Rebaser, change play.Change) ([]byte, error) {
	if f.begun {
		if change != play.Same {
			return nil, ErrChanged // there is one init segment, at the start
		}
		return nil, nil
	}
	f.begun = true
	var inits [][]byte
	for _, t := range cut.Tracks() {
		inits = append(inits, t.Init)
	}
	return cmaf.MergeInits(inits...)
}

func (f *fragmented) part(p play.Part) ([]byte, error) {
	f.sequence++
	p.Chunk.Sequence = f.sequence
	f.buf = p.Chunk.Append(f.buf[:0])
	return f.buf, nil
}

// transport is MPEG-TS.
type transport struct{ muxer *mpegts.Muxer }

func (t *transport) catalog(cut *play.Rebaser, change play.Change) (_ []byte, err error) {
	if t.muxer == nil {
		t.muxer, err = mpegts.NewMuxer(cut.Tracks())
	} else if change == play.NewInit {
		err = t.muxer.SetTracks(cut.Tracks())
	}
	return nil, err
}

func (t *transport) part(p play.Part) ([]byte, error) { return t.muxer.Write(p) }
