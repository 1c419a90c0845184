// SPDX-License-Identifier: GPL-3.0-or-later

package rtmp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/message"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/internal/pace"
	"p2plive/internal/wire"
)

// publisher turns the messages of one encoder into samples. It finds the
// tracks as it goes: waiting for the library to study two seconds of stream
// would cost those as latency.
type publisher struct {
	ctx     context.Context
	sink    media.Sink
	since   func() time.Duration // since the input's start
	sinkErr error                // what must end the input

	tracks  []*track // in the order of the formats
	want    map[wire.TrackKind]bool
	told    bool // the encoder announced its tracks
	bitrate map[wire.TrackKind]uint32

	begun  bool
	offset time.Duration // from the encoder's timestamps to the input's
	first  time.Duration // of the encoder's
	ready  bool
	held   []held
	pace   *pace.Pacer // nil does not pace
}

// held is a sample that waits for all tracks to be known.
type held struct {
	t      *track
	sample media.Sample
}

func newPublisher(ctx context.Context, sink media.Sink, since func() time.Duration) *publisher {
	return &publisher{ctx: ctx, sink: sink, since: since,
		want: make(map[wire.TrackKind]bool), bitrate: make(map[wire.TrackKind]uint32), pace: new(pace.Pacer)}
}

// message takes one message. An error ends the publisher.
func (p *publisher) message(msg message.Message) error {
	switch m := msg.(type) {
	case *message.DataAMF0:
		p.metadata(m.Payload)
		return nil
	case *message.VideoExMultitrack:
		return p.media(wire.Video, m.TrackID, m.Wrapped)
	case *message.AudioExMultitrack:
		return p.media(wire.Audio, m.TrackID, m.Wrapped)
	case *message.Audio, *message.AudioExSequenceStart, *message.AudioExCodedFrames:
		return p.media(wire.Audio, 0, msg)
	}
	return p.media(wire.Video, 0, msg)
}

// metadata reads onMetaData: which tracks to wait for, and their bitrates.
func (p *publisher) metadata(data amf0.Data) {
	for _, v := range data {
		var o amf0.Object
		switch v := v.(type) {
		case amf0.Object:
			o = v
		case amf0.ECMAArray:
			o = amf0.Object(v)
		default:
			continue
		}
		for kind, name := range map[wire.TrackKind]string{wire.Video: "video", wire.Audio: "audio"} {
			if codec, ok := o.Get(name + "codecid"); ok && codec != nil && codec != 0.0 {
				p.want[kind], p.told = true, true
			}
			if rate, ok := o.GetFloat64(name + "datarate"); ok && rate >= 1 && rate < 1e6 {
				p.bitrate[kind] = uint32(math.Round(rate * 1000))
			}
		}
	}
}

// track returns the track with the encoder's number, a new one if need be.
func (p *publisher) track(kind wire.TrackKind, id uint8) (*track, error) {
	for _, t := range p.tracks {
		if t.format.Kind == kind && t.id == id {
			return t, nil
		}
	}
	if len(p.tracks) == maxTracks {
		return nil, fmt.Errorf("more than %d tracks: %w", maxTracks, media.ErrUnsupported)
	}
	t := &track{id: id, format: media.TrackFormat{Kind: kind}}
	p.tracks = append(p.tracks, t)
	// Video first, as everywhere else.
	slices.SortStableFunc(p.tracks, func(a, b *track) int { return int(a.format.Kind) - int(b.format.Kind) })
	return t, nil
}

func (p *publisher) media(kind wire.TrackKind, id uint8, msg message.Message) error {
	unit, err := parse(msg)
	if err != nil || unit == nil {
		return err
	}
	t, err := p.track(kind, id)
	if err != nil {
		return err
	}
	if unit.config != nil {
		changed, err := t.configure(unit.config, p.bitrate[kind])
		if err != nil || !changed {
			return err
		}
		return p.formats()
	}
	data, key, changed, err := t.unpack(unit)
	if err != nil {
		return err
	}
	if changed {
		if err := p.formats(); err != nil {
			return err
		}
	}
	if len(data) == 0 || !t.configured {
		return nil
	}
	return p.unit(t, unit, data, key)
}

// unit places a frame on the input's timeline.
func (p *publisher) unit(t *track, u *unit, data []byte, key bool) error {
	if !p.begun {
		p.begun, p.first, p.offset = true, u.dts, p.since()-u.dts
	}
	if t.format.Kind == wire.Video && !t.synced {
		if !key {
			return nil // the last publisher's pictures are none of this one's
		}
		t.synced = true
	}
	scale := t.format.Timescale
	s := media.Sample{
		PTS: media.Ticks(u.dts+u.cts+p.offset, scale), DTS: media.Ticks(u.dts+p.offset, scale), Key: key, Data: data,
	}
	if !p.ready {
		p.held = append(p.held, held{t, s})
		wait := maxWait
		if p.told {
			wait = maxWaitTold
		}
		if u.dts-p.first < wait && len(p.held) < maxHeld {
			return nil
		}
		p.want = nil // what has not come by now does not come
		return p.formats()
	}
	return p.pass(t, s)
}

// formats announces the tracks once all that were promised are known, and
// again when something changes.
func (p *publisher) formats() error {
	var formats []media.TrackFormat
	have := make(map[wire.TrackKind]bool)
	for _, t := range p.tracks {
		t.index = -1
		if t.configured {
			t.index = len(formats)
			formats = append(formats, t.format)
			have[t.format.Kind] = true
		}
	}
	if !p.ready {
		if p.want != nil && (!p.told || (p.want[wire.Video] && !have[wire.Video]) || (p.want[wire.Audio] && !have[wire.Audio])) {
			return nil
		}
		p.ready = true
	}
	if err := p.check(p.sink.Formats(formats)); err != nil {
		return err
	}
	waiting := p.held
	p.held = nil
	for _, h := range waiting {
		if err := p.pass(h.t, h.sample); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) pass(t *track, s media.Sample) error {
	if p.pace != nil {
		p.pace.Wait(p.ctx, media.Duration(s.DTS, t.format.Timescale))
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	s.Track = t.index
	return p.check(p.sink.Sample(s))
}

// check tells the publisher's faults from those of the sink.
func (p *publisher) check(err error) error {
	if err != nil && !errors.Is(err, media.ErrNotMedia) && !errors.Is(err, media.ErrUnsupported) {
		p.sinkErr = err
	}
	return err
}
