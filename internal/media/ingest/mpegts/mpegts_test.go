// SPDX-License-Identifier: GPL-3.0-or-later

package mpegts

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/live"
	"p2plive/internal/media"
	"p2plive/internal/media/mediatest"
	"p2plive/internal/media/segment"
	"p2plive/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// play runs data through input and segmenter in virtual time and returns how
// long that took.
func play(t *testing.T, data []byte) (out *mediatest.Output, took time.Duration) {
	t.Helper()
	out = mediatest.NewOutput()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		seg := segment.New(segment.Config{Epoch: wire.Epoch(start.UnixMilli())}, out)
		if err := New(bytes.NewReader(data), quiet).Run(t.Context(), seg); err != nil {
			t.Error(err)
		}
		took = time.Since(start)
		if err := seg.End(); err != nil {
			t.Error(err)
		}
	})
	return out, took
}

func tsFile(t testing.TB, seconds string, args ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(mediatest.File(t, "a.ts", seconds, args...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var h264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30"}

func TestStreams(t *testing.T) {
	tests := []struct {
		name         string
		args         []string
		video, audio string
	}{
		{"H.264 and AAC", append(h264[:len(h264):len(h264)], "-c:a", "aac"), "avc1.42c00d", "mp4a.40.2"},
		{"B-frames", []string{"-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", "30", "-c:a", "aac"}, "avc1.64000d", "mp4a.40.2"},
		{"H.264 and Opus", append(h264[:len(h264):len(h264)], "-c:a", "libopus"), "avc1.42c00d", "opus"},
		{"H.265", []string{"-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=none:keyint=30", "-an"}, "hvc1.1.6.L60.90", ""},
		{"sound alone", []string{"-vn", "-c:a", "aac"}, "", "mp4a.40.2"},
		// 33 bits of 90 kHz last 95,443.7 s.
		{"timestamps wrap", append(h264[:len(h264):len(h264)], "-c:a", "aac", "-output_ts_offset", "95442.5"), "avc1.42c00d", "mp4a.40.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, took := play(t, tsFile(t, "4", tt.args...))
			if took < 3*time.Second || took > 5*time.Second {
				t.Errorf("4 s of stream took %v", took)
			}
			catalogs := out.Catalogs()
			last := catalogs[len(catalogs)-1]
			for i := range last.Tracks {
				track := &last.Tracks[i]
				fragments := out.Fragments(track.ID)
				packets := mediatest.Check(t, track, fragments)
				want, frames := tt.video, 120
				if track.Kind == wire.Audio {
					want, frames = tt.audio, len(packets)
				}
				if track.Codec != want || len(packets) != frames {
					t.Errorf("%s with %d packets, want %s with %d", track.Codec, len(packets), want, frames)
				}
				for i, f := range fragments[1:] {
					before := fragments[i]
					if f.Base <= before.Base || f.Base-before.Base > uint64(track.Timescale)/8 {
						t.Errorf("track %d: fragment %d comes %d ticks after the last", track.ID, i+1, int64(f.Base-before.Base))
					}
					if track.Kind == wire.Audio && f.Base != before.Base+uint64(before.Duration) {
						t.Errorf("track %d: fragment %d does not follow the last", track.ID, i+1)
					}
				}
			}
			if tt.video != "" && tt.audio != "" {
				video, audio := out.Fragments(1)[0], out.Fragments(2)[0]
				if apart := float64(video.Base)/90000 - float64(audio.Base)/48000; apart > 0.1 || apart < -0.1 {
					t.Errorf("sound starts %.3f s before the picture", apart)
				}
			}
		})
	}
}

func TestJoinsInTheMiddle(t *testing.T) {
	data := tsFile(t, "4", append(h264[:len(h264):len(h264)], "-c:a", "aac")...)
	out, _ := play(t, data[len(data)/3+77:])
	video := out.Fragments(1)
	if len(video) < 60 || !video[0].Key {
		t.Fatalf("%d frames", len(video))
	}
	mediatest.Check(t, out.Catalogs()[0].Track(1), video)
}

func TestDamageIsSkipped(t *testing.T) {
	data := tsFile(t, "4", append(h264[:len(h264):len(h264)], "-c:a", "aac")...)
	for i := len(data) / 2; i < len(data)/2+2000; i++ {
		data[i] ^= byte(i)
	}
	out, _ := play(t, data)
	if n := len(out.Fragments(1)); n < 100 {
		t.Errorf("%d of 120 frames", n)
	}
}

func TestParametersChange(t *testing.T) {
	args := append(h264[:len(h264):len(h264)], "-c:a", "aac")
	small := append(args[:len(args):len(args)], "-s", "160x90", "-output_ts_offset", "2")
	out, _ := play(t, append(tsFile(t, "2", args...), tsFile(t, "2", small...)...))
	var widths []uint16
	for _, c := range out.Catalogs() {
		widths = append(widths, c.Track(1).Width)
	}
	last := out.Catalogs()[len(widths)-1].Track(1)
	if widths[0] != 320 || last.Width != 160 || last.From < 59 {
		t.Fatalf("widths %v, the last from fragment %d", widths, last.From)
	}
	mediatest.Check(t, last, out.Fragments(1)[last.From:])
}

func TestErrors(t *testing.T) {
	noise := make([]byte, 4<<20)
	for i := range noise {
		noise[i] = byte(i*i>>7 ^ i)
	}
	whole := tsFile(t, "2", append(h264[:len(h264):len(h264)], "-c:a", "aac")...)
	tests := []struct {
		name string
		data []byte
		want error
		says string
	}{
		{"nothing", nil, media.ErrNotMedia, "before any data"},
		{"text", []byte(strings.Repeat("no video in here\n", 1000)), media.ErrNotMedia, "not MPEG-TS"},
		{"noise", noise, media.ErrNotMedia, "not MPEG-TS"},
		{"a little", whole[:188*3], media.ErrNotMedia, "not MPEG-TS"},
		{"tables alone", whole[:188*6], media.ErrNotMedia, ""},
		{"empty packets", bytes.Repeat(append([]byte{0x47, 0x1f, 0xff, 0x10}, make([]byte, 184)...), 40000), media.ErrNotMedia, "no stream"},
		{"MPEG-2 video", tsFile(t, "1", "-c:v", "mpeg2video", "-an"), media.ErrUnsupported, "libx264"},
		{"MP2 audio", tsFile(t, "1", append(h264[:len(h264):len(h264)], "-c:a", "mp2")...), media.ErrUnsupported, "-c:a aac"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := New(bytes.NewReader(tt.data), quiet).Run(t.Context(), &mediatest.Samples{})
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v", err)
			}
			t.Log(err)
		})
	}
}

func TestCancelWhileThePipeIsSilent(t *testing.T) {
	for _, written := range []int{0, 1, packetSize} {
		synctest.Test(t, func(t *testing.T) {
			r, w := io.Pipe()
			defer w.Close()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- New(r, quiet).Run(ctx, &mediatest.Samples{}) }()
			if _, err := w.Write(make([]byte, written)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // what was written has been read
			cancel()
			if err := <-done; err != nil {
				t.Fatalf("after %d bytes: %v", written, err)
			}
		})
	}
}

type nowhere struct{}

func (nowhere) Catalog(*wire.Catalog) error   { return nil }
func (nowhere) Fragment(*live.Fragment) error { return nil }

func FuzzStream(f *testing.F) {
	f.Add(tsFile(f, "0.2", append(h264[:len(h264):len(h264)], "-s", "32x32", "-c:a", "aac")...))
	f.Add(tsFile(f, "0.2", append(h264[:len(h264):len(h264)], "-s", "32x32", "-c:a", "libopus")...))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &demuxer{ctx: t.Context(), sink: segment.New(segment.Config{}, nowhere{})}
		_ = New(nil, quiet).demux(t.Context(), bytes.NewReader(data), d)
	})
}
