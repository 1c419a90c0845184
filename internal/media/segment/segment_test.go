// SPDX-License-Identifier: GPL-3.0-or-later

package segment_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest"
	"p2plive/internal/media/ingest/clip"
	"p2plive/internal/media/mediatest"
	"p2plive/internal/media/segment"
	"p2plive/internal/wire"
)

// play runs an input into a segmenter for a span of virtual time.
func play(t *testing.T, span time.Duration, open func() (ingest.Input, error)) *mediatest.Output {
	t.Helper()
	out := mediatest.NewOutput()
	synctest.Test(t, func(t *testing.T) {
		in, err := open()
		if err != nil {
			t.Fatal(err)
		}
		seg := segment.New(segment.Config{Epoch: wire.Epoch(time.Now().UnixMilli())}, out)
		ctx, cancel := context.WithTimeout(t.Context(), span)
		defer cancel()
		if err := in.Run(ctx, seg); err != nil {
			t.Error(err)
		}
		if err := seg.End(); err != nil {
			t.Error(err)
		}
	})
	return out
}

// checkOrder fails the test unless sequence numbers, times and durations of a
// track follow each other. Slack is how far, in the track's timescale, a
// fragment may start from where the one before promised to end.
func checkOrder(t *testing.T, out *mediatest.Output, id wire.TrackID, slack int64) {
	t.Helper()
	fragments := out.Fragments(id)
	for i, f := range fragments {
		if f.Seq != wire.Seq(i) {
			t.Fatalf("track %d: fragment %d has sequence number %d", id, i, f.Seq)
		}
		if i == 0 {
			continue
		}
		before := fragments[i-1]
		if off := int64(f.Base) - int64(before.Base) - int64(before.Duration); off > slack || off < -slack {
			t.Errorf("track %d: fragment %d starts %d after the end of the one before", id, i, off)
		}
		if f.Wall < before.Wall {
			t.Errorf("track %d: fragment %d was cut before the last one", id, i)
		}
	}
}

func TestClipOverTwoLoops(t *testing.T) {
	out := play(t, 2*clip.Length+3*time.Second, func() (ingest.Input, error) { return ingest.Open("demo", ingest.Options{}) })
	catalogs := out.Catalogs()
	last := catalogs[len(catalogs)-1]
	if len(catalogs) != 2 || !last.Ended || last.Version != 2 || len(last.Tracks) != 2 {
		t.Fatalf("got %d catalogs, the last %+v", len(catalogs), last)
	}
	video, audio := last.Track(1), last.Track(2)
	if video.Codec != "avc1.4d401e" || video.Width != 640 || video.Height != 360 || video.Substreams != 6 {
		t.Errorf("video track %+v", video)
	}
	if audio.Codec != "mp4a.40.2" || audio.SampleRate != 48000 || audio.Channels != 2 || audio.Substreams != 2 {
		t.Errorf("audio track %+v", audio)
	}
	checkOrder(t, out, 1, 0)
	checkOrder(t, out, 2, 0)

	fragments := out.Fragments(1)
	if n := len(fragments); n < 30*34 || n > 30*35+1 {
		t.Errorf("%d video fragments in 35 s", n)
	}
	for i, f := range fragments {
		if want := i%clip.FrameRate == 0; f.Key != want {
			t.Errorf("video fragment %d: key is %v", i, f.Key)
		}
	}
	for i, f := range out.Fragments(2) {
		if f.Duration != 4*1024 && i != len(out.Fragments(2))-1 {
			t.Errorf("audio fragment %d lasts %d samples", i, f.Duration)
		}
	}
	if packets := mediatest.Check(t, video, fragments); len(packets) != len(fragments) {
		t.Errorf("ffprobe found %d packets in %d video fragments", len(packets), len(fragments))
	}
	packets := mediatest.Check(t, audio, out.Fragments(2))
	for i := 1; i < len(packets); i++ {
		if packets[i].DTS-packets[i-1].DTS != 1024 {
			t.Fatalf("audio packet %d comes %d samples after the last", i, packets[i].DTS-packets[i-1].DTS)
		}
	}
	apart := float64(fragments[0].Base)/90000 - float64(out.Fragments(2)[0].Base)/48000
	if apart > 0.02133 || apart < -0.02133 {
		t.Errorf("sound starts %.4f s before the picture", apart)
	}
}

// overhead is what a fragment's boxes may cost.
const overhead = 120

func TestFragmentOverhead(t *testing.T) {
	samples := &mediatest.Samples{}
	out := play(t, 4*time.Second, func() (ingest.Input, error) {
		in, err := clip.New()
		return tee{in, samples}, err
	})
	for track, frames := range []int{1, 4} {
		got := samples.Of(track)
		for i, f := range out.Fragments(wire.TrackID(track + 1)) {
			size := 0
			for _, s := range got[min(i*frames, len(got)):min((i+1)*frames, len(got))] {
				size += len(s.Data)
			}
			if cost := len(f.Data) - size; cost > overhead {
				t.Fatalf("fragment %d of track %d costs %d bytes more than its frames", i, track+1, cost)
			}
		}
	}
}

// tee hands samples to a second sink as well.
type tee struct {
	ingest.Input
	also media.Sink
}

func (in tee) Run(ctx context.Context, sink media.Sink) error {
	return in.Input.Run(ctx, both{sink, in.also})
}

type both [2]media.Sink

func (b both) Formats(f []media.TrackFormat) error {
	if err := b[0].Formats(f); err != nil {
		return err
	}
	return b[1].Formats(f)
}

func (b both) Sample(s media.Sample) error {
	if err := b[0].Sample(s); err != nil {
		return err
	}
	return b[1].Sample(s)
}

func TestFiles(t *testing.T) {
	tests := []struct {
		name, file   string
		args         []string
		video, audio string
		rate         uint32
		gap          int64 // that ffmpeg leaves in the file, in samples
	}{
		{"H.264 with B-frames and AAC", "a.mp4", []string{"-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", "30", "-c:a", "aac"}, "avc1.64000d", "mp4a.40.2", 48000, 0},
		{"index at the start, 44.1 kHz", "b.mp4", []string{"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ar", "44100", "-movflags", "+faststart"}, "avc1.42c00d", "mp4a.40.2", 44100, 0},
		{"fragmented", "c.mp4", []string{"-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", "30", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"}, "avc1.64000d", "mp4a.40.2", 48000, 2200},
		{"fragmented with default base", "d.mp4", []string{"-c:v", "libx264", "-preset", "fast", "-c:a", "aac", "-movflags", "+frag_every_frame+empty_moov+default_base_moof"}, "avc1.64000d", "mp4a.40.2", 48000, 3000},
		{"H.265 and Opus", "e.mp4", []string{"-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=none:keyint=30", "-c:a", "libopus"}, "hvc1.1.6.L60.90", "opus", 48000, 0},
		{"AV1 and Opus", "f.mp4", []string{"-c:v", "libaom-av1", "-cpu-used", "8", "-g", "30", "-c:a", "libopus"}, "av01.0.00M.08", "opus", 48000, 0},
		{"sound alone", "g.m4a", []string{"-vn", "-c:a", "aac"}, "", "mp4a.40.2", 48000, 0},
		{"QuickTime", "h.mov", []string{"-c:v", "libx264", "-preset", "fast", "-an"}, "avc1.64000d", "", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := mediatest.File(t, tt.file, "2", tt.args...)
			out := play(t, 5*time.Second, func() (ingest.Input, error) { return ingest.Open(path, ingest.Options{}) })
			last := out.Catalogs()[len(out.Catalogs())-1]
			for i := range last.Tracks {
				track := &last.Tracks[i]
				want, frames := tt.audio, float64(tt.rate)/960
				if track.Kind == wire.Video {
					want, frames = tt.video, 30
				} else if track.SampleRate != tt.rate {
					t.Errorf("%d Hz, want %d", track.SampleRate, tt.rate)
				}
				if track.Codec != want {
					t.Errorf("codec %s, want %s", track.Codec, want)
				}
				fragments := out.Fragments(track.ID)
				checkOrder(t, out, track.ID, tt.gap)
				packets := mediatest.Check(t, track, fragments)
				if n := float64(len(packets)); n < 4.9*frames*0.9 || n > 5.1*frames {
					t.Errorf("track %d: %v packets in 5 s", track.ID, n)
				}
				if !fragments[0].Key || fragments[0].Base == 0 {
					t.Errorf("track %d starts with %v at %d", track.ID, fragments[0].Key, fragments[0].Base)
				}
			}
			if n := len(last.Tracks); (tt.video != "") != (last.Tracks[0].Kind == wire.Video) || (n == 2) != (tt.video != "" && tt.audio != "") {
				t.Errorf("%d tracks", n)
			}
		})
	}
}
