// SPDX-License-Identifier: GPL-3.0-or-later

package rtmp

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/mp4file"
	"p2plive/internal/media/mediatest"
	"p2plive/internal/media/nalu"
)

// encoder is a sink that publishes what it gets by Enhanced RTMP, which the
// ffmpeg of many systems cannot yet.
type encoder struct {
	t       *testing.T
	client  *gortmplib.Client
	writer  *gortmplib.Writer
	formats []media.TrackFormat
}

func (e *encoder) Formats(formats []media.TrackFormat) error {
	e.formats = formats
	e.writer = &gortmplib.Writer{Conn: e.client}
	for _, f := range formats {
		var c codecs.Codec
		switch f.Codec {
		case media.H265:
			c = &codecs.H265{VPS: f.Params[0], SPS: f.Params[1], PPS: f.Params[2]}
		case media.AV1:
			c = &codecs.AV1{}
		case media.Opus:
			c = &codecs.Opus{IDHeader: &opus.IDHeader{Version: 1, ChannelCount: f.Channels, InputSampleRate: 48000}}
		default:
			e.t.Fatalf("codec %s", f.Codec)
		}
		e.writer.Tracks = append(e.writer.Tracks, &gortmplib.Track{Codec: c})
	}
	return e.writer.Initialize()
}

func (e *encoder) Sample(s media.Sample) error {
	track, scale := e.writer.Tracks[s.Track], e.formats[s.Track].Timescale
	const start = time.Second // RTMP has no negative times
	pts, dts := start+media.Duration(s.PTS, scale), start+media.Duration(s.DTS, scale)
	switch e.formats[s.Track].Codec {
	case media.H265:
		units, err := nalu.Split(s.Data, 4)
		if err != nil {
			return err
		}
		return e.writer.WriteH265(track, pts, dts, units)
	case media.AV1:
		var tu av1.Bitstream
		if err := tu.Unmarshal(s.Data); err != nil {
			return err
		}
		return e.writer.WriteAV1(track, pts, tu)
	}
	return e.writer.WriteOpus(track, pts, s.Data)
}

func TestEnhancedRTMP(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"hvc1.1.6.L60.90": {"-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=none:keyint=30", "-c:a", "libopus"},
		"av01.0.00M.08":   {"-c:v", "libaom-av1", "-cpu-used", "8", "-g", "30", "-c:a", "libopus"},
	} {
		t.Run(name, func(t *testing.T) {
			in, out := run(t, Options{StreamKey: "key"})
			file, err := mp4file.Open(mediatest.File(t, "a.mp4", "2", args...))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			client := &gortmplib.Client{URL: &url.URL{Scheme: "rtmp", Host: in.Addr().String(), Path: "/live/key"}, Publish: true}
			if err := client.Initialize(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := file.Run(ctx, &encoder{t: t, client: client}); err != nil {
				t.Error(err)
			}
			client.Close()
			in.waitForNobody(t)

			catalogs := out.Catalogs()
			last := catalogs[len(catalogs)-1]
			if len(last.Tracks) != 2 || last.Track(1).Codec != name || last.Track(2).Codec != "opus" {
				t.Fatalf("catalog %+v", last)
			}
			video := out.Fragments(1)[last.Track(1).From:]
			if len(video) < 85 || !video[0].Key {
				t.Errorf("%d frames", len(video))
			}
			mediatest.Check(t, last.Track(1), video)
			for i, f := range out.Fragments(2)[1:] {
				if before := out.Fragments(2)[i]; f.Base != before.Base+uint64(before.Duration) {
					t.Errorf("sound breaks off before fragment %d", i+1)
				}
			}
			mediatest.Check(t, last.Track(2), out.Fragments(2))
		})
	}
}
