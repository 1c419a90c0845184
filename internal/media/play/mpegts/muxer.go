// SPDX-License-Identifier: GPL-3.0-or-later

// Package mpegts writes a live stream as MPEG-TS (ISO/IEC 13818-1), the
// quickest way into players outside the browser.
package mpegts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	tscodecs "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/substructs"

	"p2plive/internal/media/cmaf"
	"p2plive/internal/media/nalu"
	"p2plive/internal/media/play"
	"p2plive/internal/wire"
)

// ErrUnsupported is returned for streams with a codec that MPEG-TS has no
// place for, such as AV1.
var ErrUnsupported = errors.New("cannot be carried in MPEG-TS (H.264, HEVC, AAC and Opus can)")

// clockRate is the resolution of PTS and DTS in hertz.
const clockRate = 90000

// lead is the time of the first sample in units of clockRate: the clock
// reference runs 100 ms before it, and starts at zero.
const lead = clockRate / 10

// Muxer writes the parts of a Rebaser as transport stream packets.
type Muxer struct {
	out    bytes.Buffer
	writer *mpegts.Writer
	tracks []*track
}

type track struct {
	ts     *mpegts.Track
	syntax nalu.Syntax // video only
	params [][]byte    // parameter sets to repeat with every key frame
	scale  uint32
}

// NewMuxer returns a muxer for the tracks of a Rebaser.
func NewMuxer(tracks []*wire.Track) (*Muxer, error) {
	m := &Muxer{}
	m.writer = &mpegts.Writer{W: &m.out}
	if err := m.SetTracks(tracks); err != nil {
		return nil, err
	}
	for _, t := range m.tracks {
		m.writer.Tracks = append(m.writer.Tracks, t.ts)
	}
	if err := m.writer.Initialize(); err != nil {
		return nil, fmt.Errorf("start MPEG-TS: %w", err)
	}
	return m, nil
}

// SetTracks gives the parameter sets of the same tracks after a change.
func (m *Muxer) SetTracks(tracks []*wire.Track) error {
	var fresh []*track
	for i, w := range tracks {
		t, err := newTrack(w)
		if err != nil {
			return err
		}
		if i < len(m.tracks) {
			t.ts = m.tracks[i].ts // its place in the program stays
		}
		fresh = append(fresh, t)
	}
	m.tracks = fresh
	return nil
}

func newTrack(w *wire.Track) (*track, error) {
	t := &track{ts: &mpegts.Track{}, scale: w.Timescale}
	if len(w.Language) == 3 { // ISO 639-2, the only form that the format has
		t.ts.Language = w.Language
	}
	switch name, _, _ := strings.Cut(w.Codec, "."); name {
	case "avc1", "avc3", "hvc1", "hev1", "mp4a", "opus":
	default:
		return nil, fmt.Errorf("track %d: %s %w", w.ID, w.Codec, ErrUnsupported)
	}
	codec, err := cmaf.Codec(w.Init)
	if err != nil {
		return nil, fmt.Errorf("track %d: %w", w.ID, err)
	}
	switch c := codec.(type) {
	case *codecs.H264:
		t.ts.Codec, t.syntax, t.params = &tscodecs.H264{}, nalu.H264, [][]byte{c.SPS, c.PPS}
	case *codecs.H265:
		t.ts.Codec, t.syntax, t.params = &tscodecs.H265{}, nalu.H265, [][]byte{c.VPS, c.SPS, c.PPS}
	case *codecs.MPEG4Audio:
		t.ts.Codec = &tscodecs.MPEG4Audio{Config: c.Config}
	case *codecs.Opus:
		// Codes 1 to 8 of the format are that many channels in Vorbis order.
		t.ts.Codec = &tscodecs.Opus{Desc: &substructs.OpusAudioDescriptor{ChannelConfigCode: uint8(c.ChannelCount)}}
	default:
		return nil, fmt.Errorf("track %d: %s %w", w.ID, w.Codec, ErrUnsupported)
	}
	return t, nil
}

// Write returns the packets of a part. They are valid until the next call.
func (m *Muxer) Write(p play.Part) ([]byte, error) {
	m.out.Reset()
	t := m.tracks[p.Index]
	var err error
	if t.syntax != 0 {
		err = m.writeVideo(t, p.Chunk)
	} else {
		err = m.writeAudio(t, p.Chunk)
	}
	if err != nil {
		return nil, fmt.Errorf("write MPEG-TS: %w", err)
	}
	return m.out.Bytes(), nil
}

func (t *track) ticks(units int64) int64 {
	scale := int64(t.scale)
	return lead + units/scale*clockRate + units%scale*clockRate/scale
}

func (m *Muxer) writeVideo(t *track, c *cmaf.Chunk) error {
	at := int64(c.Base)
	for i := range c.Samples {
		s := &c.Samples[i]
		dts, pts := t.ticks(at), t.ticks(at+int64(s.Offset))
		at += int64(s.Duration)
		unit, err := t.accessUnit(s)
		if err != nil {
			return err
		}
		if len(unit) == 0 {
			continue
		}
		write := m.writer.WriteH264
		if t.syntax == nalu.H265 {
			write = m.writer.WriteH265
		}
		if err := write(t.ts, pts, min(dts, pts), unit); err != nil {
			return err
		}
	}
	return nil
}

// accessUnit returns the sample's NAL units with the parameter sets in front
// of a key frame: a player may join at any of them.
func (t *track) accessUnit(s *cmaf.Sample) ([][]byte, error) {
	units, err := nalu.Split(s.Data, 4)
	if err != nil {
		return nil, err
	}
	var kept [][]byte
	if s.Sync() && nalu.Find(t.syntax, nalu.SPS, units) == nil {
		kept = append(kept, t.params...)
	}
	for _, u := range units {
		if t.syntax.Classify(u) != nalu.Delimiter { // the writer sets its own
			kept = append(kept, u)
		}
	}
	return kept, nil
}

func (m *Muxer) writeAudio(t *track, c *cmaf.Chunk) error {
	frames := make([][]byte, len(c.Samples))
	for i := range c.Samples {
		frames[i] = c.Samples[i].Data
	}
	pts := t.ticks(int64(c.Base))
	if _, ok := t.ts.Codec.(*tscodecs.Opus); ok {
		return m.writer.WriteOpus(t.ts, pts, frames)
	}
	return m.writer.WriteMPEG4Audio(t.ts, pts, frames)
}
