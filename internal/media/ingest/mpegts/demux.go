// SPDX-License-Identifier: GPL-3.0-or-later

package mpegts

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	ts "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/internal/pace"
	"p2plive/internal/media/nalu"
	"p2plive/internal/wire"
)

const (
	clockRate  = 90000 // of PTS and DTS
	aacSamples = 1024  // in a frame
)

type track struct {
	format media.TrackFormat
	params *nalu.Params // nil for audio
}

// demuxer turns access units into samples. Until every picture's parameter
// sets are known, samples wait.
type demuxer struct {
	ctx    context.Context
	sink   media.Sink
	tracks []*track
	time   ts.TimeDecoder
	pace   *pace.Pacer // nil does not pace
	ready  bool
	held   []media.Sample
	first  int64 // decode time of the first access unit
	begun  bool
}

// clock unwraps a pair of timestamps of 33 bits.
func (d *demuxer) clock(pts, dts int64) (int64, int64) {
	delta := (pts - dts) << 31 >> 31 // sign-extends 33 bits
	dts = d.time.Decode(dts)
	return dts + delta, dts
}

func (d *demuxer) video(i int, pts, dts int64, au [][]byte) error {
	t := d.tracks[i]
	pts, dts = d.clock(pts, dts)
	rest, key, changed := t.params.Filter(au)
	if changed {
		t.format.Params = t.params.Sets()
		if err := d.formats(); err != nil {
			return err
		}
	}
	if !d.ready {
		if !d.begun {
			d.begun, d.first = true, dts
		}
		if media.Duration(dts-d.first, clockRate) > maxKeyless {
			return fmt.Errorf("standard input: no key frame in %v: %w", maxKeyless, media.ErrNotMedia)
		}
	}
	if len(rest) == 0 || (!d.ready && !t.params.Complete()) {
		return nil
	}
	return d.sample(media.Sample{Track: i, PTS: pts, DTS: dts, Key: key, Data: nalu.Join(rest)})
}

func (d *demuxer) aac(i int, pts int64, aus [][]byte) error {
	t := d.tracks[i]
	pts = d.audioTime(t, pts)
	for _, au := range aus {
		if err := d.sample(media.Sample{Track: i, PTS: pts, DTS: pts, Duration: aacSamples, Key: true, Data: bytes.Clone(au)}); err != nil {
			return err
		}
		pts += aacSamples
	}
	return nil
}

func (d *demuxer) opus(i int, pts int64, packets [][]byte) error {
	t := d.tracks[i]
	pts = d.audioTime(t, pts)
	for _, p := range packets {
		n := media.OpusSamples(p)
		if n == 0 {
			continue
		}
		if err := d.sample(media.Sample{Track: i, PTS: pts, DTS: pts, Duration: n, Key: true, Data: bytes.Clone(p)}); err != nil {
			return err
		}
		pts += int64(n)
	}
	return nil
}

// audioTime converts a timestamp to the track's sample rate.
func (d *demuxer) audioTime(t *track, pts int64) int64 {
	pts, _ = d.clock(pts, pts)
	return media.Ticks(media.Duration(pts, clockRate), t.format.Timescale)
}

// formats announces the tracks once all of them are known, and changes after.
func (d *demuxer) formats() error {
	for _, t := range d.tracks {
		if t.params != nil && !t.params.Complete() {
			return nil
		}
	}
	formats := make([]media.TrackFormat, len(d.tracks))
	for i, t := range d.tracks {
		formats[i] = t.format
	}
	d.ready = true
	if err := d.sink.Formats(formats); err != nil {
		return err
	}
	held := d.held
	d.held = nil
	for _, s := range held {
		if err := d.pass(s); err != nil {
			return err
		}
	}
	return nil
}

func (d *demuxer) sample(s media.Sample) error {
	if !d.ready && !slices.ContainsFunc(d.tracks, func(t *track) bool { return t.format.Kind == wire.Video }) {
		if err := d.formats(); err != nil { // sound alone waits for nothing
			return err
		}
	}
	if d.ready {
		return d.pass(s)
	}
	if len(d.held) == maxHeld { // the oldest are the least worth
		d.held = d.held[1:]
	}
	d.held = append(d.held, s)
	return nil
}

func (d *demuxer) pass(s media.Sample) error {
	if d.pace != nil {
		d.pace.Wait(d.ctx, media.Duration(s.DTS, d.tracks[s.Track].format.Timescale))
	}
	if err := d.ctx.Err(); err != nil {
		return err
	}
	return d.sink.Sample(s)
}

// end says what a stream that ended was.
func (d *demuxer) end() error {
	if !d.ready {
		return fmt.Errorf("standard input: ended before the first key frame: %w", media.ErrNotMedia)
	}
	return nil
}
