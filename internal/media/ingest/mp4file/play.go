// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"p2plive/internal/media"
	"p2plive/internal/media/nalu"
	"p2plive/internal/wire"
)

// Run plays the file from its start until ctx is done.
func (f *File) Run(ctx context.Context, sink media.Sink) error {
	p := newPlayback(f, sink, 0, 0)
	p.start, p.base = time.Now(), p.soonest()
	return p.run(ctx)
}

// RunFrom plays the file as if it had been started at zero and gone round
// since: timestamps count from there. It begins with the next key frame, and
// again so when the process has stood still for longer than maxLate.
func (f *File) RunFrom(ctx context.Context, sink media.Sink, zero time.Time) error {
	for {
		p := f.joining(sink, zero)
		if err := p.run(ctx); err != errLate {
			return err
		}
	}
}

// joining returns a playback that has gone round since zero.
func (f *File) joining(sink media.Sink, zero time.Time) *playback {
	now := time.Now()
	since := now.Sub(zero)
	loop := int64(since / f.Length())
	from := since - media.Duration(loop*f.length, f.scale)
	if from < 0 { // the division above was by a rounded length
		loop--
		from = since - media.Duration(loop*f.length, f.scale)
	}
	if last := f.lastKey(); from > last {
		loop, from = loop+1, 0
	}
	p := newPlayback(f, sink, loop, from)
	p.start, p.base, p.inStep = now, since, true
	return p
}

// lastKey returns where in the loop the last key frame is.
func (f *File) lastKey() time.Duration {
	for _, t := range f.tracks {
		if t.format.Kind != wire.Video {
			continue
		}
		for _, s := range slices.Backward(t.samples) {
			if s.key {
				return media.Duration(s.dts, t.format.Timescale)
			}
		}
	}
	return f.Length()
}

// playback is one run of a file.
type playback struct {
	f       *File
	sink    media.Sink
	cursors []*cursor
	params  []*nalu.Params // nil for tracks without NAL units
	formats []media.TrackFormat
	start   time.Time     // when the sample with decode time base is due
	base    time.Duration // in the file's endless timeline
	inStep  bool          // with a clock: what is too late is left out, not put off
}

// errLate ends a playback that has fallen behind the clock it is in step with.
var errLate = errors.New("fallen behind")

func newPlayback(f *File, sink media.Sink, loop int64, from time.Duration) *playback {
	p := &playback{f: f, sink: sink, formats: f.Formats()}
	// The picture decides where to start, and the sound follows.
	for _, t := range f.tracks {
		if t.format.Kind == wire.Video && from > 0 {
			c := newCursor(f, t, loop, media.Ticks(from, t.format.Timescale))
			from = media.Duration(c.sample().dts, t.format.Timescale)
			break
		}
	}
	for _, t := range f.tracks {
		at := t.samples[0].dts
		if from > 0 {
			at = media.Ticks(from, t.format.Timescale)
		}
		p.cursors = append(p.cursors, newCursor(f, t, loop, at))
		var params *nalu.Params
		if t.syntax != 0 {
			params = nalu.NewParams(t.syntax, t.format.Params)
		}
		p.params = append(p.params, params)
	}
	return p
}

// due returns when a cursor's sample is to be delivered, in the file's endless
// timeline.
func (c *cursor) due() time.Duration { return media.Duration(c.dts, c.t.format.Timescale) }

// earliest returns the track whose turn it is.
func (p *playback) earliest() int {
	best := 0
	for i, c := range p.cursors {
		if c.due() < p.cursors[best].due() {
			best = i
		}
	}
	return best
}

func (p *playback) soonest() time.Duration { return p.cursors[p.earliest()].due() }

func (p *playback) run(ctx context.Context) error {
	if err := p.sink.Formats(slices.Clone(p.formats)); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		i := p.earliest()
		wait := p.cursors[i].due() - p.base - time.Since(p.start)
		if wait < -maxLate {
			if p.inStep {
				return errLate
			}
			p.start = p.start.Add(-wait)
		}
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
		} else if ctx.Err() != nil {
			return nil
		}
		if err := p.deliver(i); err != nil {
			return err
		}
		p.cursors[i].next()
	}
}

// deliver reads the current sample of track i and hands it over.
func (p *playback) deliver(i int) error {
	c := p.cursors[i]
	s := c.sample()
	data := make([]byte, s.size)
	if n, err := p.f.r.ReadAt(data, s.offset); n < len(data) {
		return fmt.Errorf("%s: read a frame: %w", p.f.name, err)
	}
	key := s.key
	if p.params[i] != nil {
		var err error
		if data, key, err = p.unpack(i, data); err != nil || len(data) == 0 {
			return err
		}
	}
	return p.sink.Sample(media.Sample{
		Track: i, PTS: c.dts + int64(s.cts), DTS: c.dts, Duration: c.duration(), Key: key, Data: data,
	})
}

// unpack takes parameter sets out of a sample and announces changed ones.
func (p *playback) unpack(i int, data []byte) ([]byte, bool, error) {
	c := p.cursors[i]
	units, err := nalu.Split(data, c.t.lengthSize)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", p.f.name, err)
	}
	if c.i == 0 { // a new loop starts with the sets in the file's index
		p.params[i] = nalu.NewParams(c.t.syntax, c.t.format.Params)
	}
	rest, key, _ := p.params[i].Filter(units)
	sets := p.params[i].Sets()
	if !slices.EqualFunc(sets, p.formats[i].Params, bytes.Equal) {
		p.formats[i].Params = sets
		if err := p.sink.Formats(slices.Clone(p.formats)); err != nil {
			return nil, false, err
		}
	}
	if len(rest) == 0 {
		return nil, false, nil
	}
	return nalu.Join(rest), key, nil
}
