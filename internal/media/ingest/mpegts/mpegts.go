// SPDX-License-Identifier: GPL-3.0-or-later

// Package mpegts takes a stream in MPEG-TS from a pipe.
package mpegts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	ts "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/internal/pace"
	"p2plive/internal/media/nalu"
	"p2plive/internal/wire"
)

// Input reads MPEG-TS. Its timestamps go on over the wrap of 33 bits.
type Input struct {
	r   io.Reader
	log *slog.Logger
}

// New returns an input that reads r. Nothing is read before Run.
func New(r io.Reader, log *slog.Logger) *Input { return &Input{r: r, log: log} }

// Run reads until the input ends or ctx is done. It closes the input if that
// can be closed.
func (in *Input) Run(ctx context.Context, sink media.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	p := newPump(ctx, in.r)
	defer p.close()
	defer cancel()
	err := in.demux(ctx, p, &demuxer{ctx: ctx, sink: sink, pace: new(pace.Pacer)})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (in *Input) demux(ctx context.Context, r io.Reader, d *demuxer) error {
	r, err := probe(r)
	if err != nil {
		return err
	}
	reader := &ts.Reader{R: r}
	if err := reader.Initialize(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("standard input: no stream found in the MPEG-TS: %w: %w", media.ErrNotMedia, err)
	}
	reader.OnDecodeError(func(err error) { in.log.Debug("damaged MPEG-TS packet", "err", err) })
	for _, t := range reader.Tracks() {
		if err := d.add(reader, t); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
	}
	if len(d.tracks) == 0 {
		return fmt.Errorf("standard input: neither video nor audio in it: %w", media.ErrNotMedia)
	}
	for {
		switch err := reader.Read(); {
		case errors.Is(err, io.EOF):
			return d.end()
		case err != nil:
			return err
		}
	}
}

// add takes a track of the stream in.
func (d *demuxer) add(r *ts.Reader, t *ts.Track) error {
	if len(d.tracks) == maxTracks {
		return nil
	}
	i := len(d.tracks)
	f := media.TrackFormat{Kind: wire.Video, Timescale: clockRate, Language: t.Language}
	switch c := t.Codec.(type) {
	case *codecs.H264:
		f.Codec = media.H264
		r.OnDataH264(t, func(pts, dts int64, au [][]byte) error { return d.video(i, pts, dts, au) })
		d.tracks = append(d.tracks, &track{format: f, params: nalu.NewParams(nalu.H264, nil)})
	case *codecs.H265:
		f.Codec = media.H265
		r.OnDataH265(t, func(pts, dts int64, au [][]byte) error { return d.video(i, pts, dts, au) })
		d.tracks = append(d.tracks, &track{format: f, params: nalu.NewParams(nalu.H265, nil)})
	case *codecs.MPEG4Audio:
		conf, err := c.Config.Marshal()
		if err != nil || c.Config.SampleRate <= 0 {
			return fmt.Errorf("AAC configuration: %w", media.ErrNotMedia)
		}
		f.Kind, f.Codec, f.Params = wire.Audio, media.AAC, [][]byte{conf}
		f.Timescale = uint32(c.Config.SampleRate)
		r.OnDataMPEG4Audio(t, func(pts int64, aus [][]byte) error { return d.aac(i, pts, aus) })
		d.tracks = append(d.tracks, &track{format: f})
	case *codecs.Opus:
		f.Kind, f.Codec, f.Timescale = wire.Audio, media.Opus, 48000
		f.Channels = 2
		if c.Desc != nil {
			f.Channels = uint8(c.Desc.ChannelCount())
		}
		r.OnDataOpus(t, func(pts int64, packets [][]byte) error { return d.opus(i, pts, packets) })
		d.tracks = append(d.tracks, &track{format: f})
	case *codecs.MPEG4Video, *codecs.MPEG1Video:
		return fmt.Errorf("%w: the video is MPEG-1, -2 or -4, want H.264 or H.265: convert it with ffmpeg -c:v libx264",
			media.ErrUnsupported)
	case *codecs.MPEG1Audio, *codecs.MPEG4AudioLATM, *codecs.AC3, *codecs.EAC3:
		return fmt.Errorf("%w: the audio is MP2, MP3, LATM or AC-3, want AAC or Opus: convert it with ffmpeg -c:a aac",
			media.ErrUnsupported)
	}
	return nil // subtitles and data
}
