// SPDX-License-Identifier: GPL-3.0-or-later

package cmaf

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// Codec returns the codec of the one track of an init segment.
func Codec(initSegment []byte) (codecs.Codec, error) {
	var i fmp4.Init
	if err := i.Unmarshal(bytes.NewReader(initSegment)); err != nil {
		return nil, fmt.Errorf("read init segment: %w", err)
	}
	if len(i.Tracks) != 1 {
		return nil, fmt.Errorf("read init segment: %d tracks, want 1: %w", len(i.Tracks), ErrMalformed)
	}
	return i.Tracks[0].Codec, nil
}

// MergeInits makes one init segment of several with one track each. The first
// becomes track 1, the next track 2, and so on.
func MergeInits(inits ...[]byte) ([]byte, error) {
	if len(inits) == 0 || len(inits) > maxTracks {
		return nil, fmt.Errorf("merge %d init segments, want 1 to %d: %w", len(inits), maxTracks, ErrMalformed)
	}
	var ftyp, mvhd, traks, trexs []byte
	for i, b := range inits {
		s, err := splitInit(b)
		if err != nil {
			return nil, fmt.Errorf("read init segment: %w", err)
		}
		id := uint32(i + 1)
		binary.BigEndian.PutUint32(s.trackID, id)
		binary.BigEndian.PutUint32(s.trexID, id)
		if i == 0 {
			ftyp, mvhd = s.ftyp, s.mvhd
		}
		traks = append(traks, s.trak...)
		trexs = append(trexs, s.trex...)
	}
	binary.BigEndian.PutUint32(mvhd[len(mvhd)-4:], uint32(len(inits)+1)) // next_track_ID
	out := bytes.Clone(ftyp)
	out, moov := open(out, "moov")
	out = append(out, mvhd...)
	out = append(out, traks...)
	out, mvex := open(out, "mvex")
	out = append(out, trexs...)
	shut(out, mvex)
	shut(out, moov)
	return out, nil
}

// parts are copies of an init segment's boxes. The ids lie inside them.
type parts struct {
	ftyp, mvhd, trak, trex []byte
	trackID, trexID        []byte
}

func splitInit(b []byte) (*parts, error) {
	var p parts
	err := each(bytes.Clone(b), func(x box) error {
		switch x.kind {
		case "ftyp":
			p.ftyp = x.raw
		case "moov":
			return p.readMoov(x.body)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if p.ftyp == nil || len(p.mvhd) < 100 || p.trackID == nil || p.trexID == nil {
		return nil, ErrMalformed
	}
	return &p, nil
}

func (p *parts) readMoov(b []byte) error {
	return each(b, func(x box) error {
		switch x.kind {
		case "mvhd":
			p.mvhd = x.raw
		case "trak":
			if p.trak != nil {
				return ErrMalformed
			}
			p.trak = x.raw
			return each(x.body, func(y box) error {
				if y.kind != "tkhd" {
					return nil
				}
				at := 12 // after version, flags and two times
				if len(y.body) > 0 && y.body[0] == 1 {
					at = 20
				}
				if len(y.body) < at+4 {
					return ErrMalformed
				}
				p.trackID = y.body[at : at+4]
				return nil
			})
		case "mvex":
			return each(x.body, func(y box) error {
				if y.kind != "trex" {
					return nil
				}
				if p.trex != nil || len(y.body) < 8 {
					return ErrMalformed
				}
				p.trex, p.trexID = y.raw, y.body[4:8]
				return nil
			})
		}
		return nil
	})
}
