// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/media"
	"p2plive/internal/media/ingest/mp4file"
	"p2plive/internal/media/mediatest"
	"p2plive/internal/wire"
)

var h264 = []string{"-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", "30"}

func with(args []string, more ...string) []string { return append(args[:len(args):len(args)], more...) }

// play runs a file for a span of virtual time.
func play(t *testing.T, path string, span time.Duration) *mediatest.Samples {
	t.Helper()
	got := &mediatest.Samples{}
	synctest.Test(t, func(t *testing.T) {
		f, err := mp4file.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ctx, cancel := context.WithTimeout(t.Context(), span)
		defer cancel()
		if err := f.Run(ctx, got); err != nil {
			t.Error(err)
		}
	})
	return got
}

// A picture with B-frames: presentation starts at zero in each loop, decoding
// two frames before that, and nothing is lost or doubled where loops meet.
func TestLoopsOfReorderedFrames(t *testing.T) {
	for _, flags := range []string{"+faststart", "+frag_keyframe+delay_moov"} {
		t.Run(flags, func(t *testing.T) {
			path := mediatest.File(t, "a.mp4", "2", with(h264, "-an", "-movflags", flags)...)
			video := play(t, path, 5*time.Second).Of(0)
			if n := len(video); n < 150 || n > 153 {
				t.Fatalf("%d frames in 5 s", n)
			}
			frame := int64(video[0].Duration)
			shown := make(map[int64]bool)
			for i, s := range video {
				if s.DTS != video[0].DTS+int64(i)*frame || s.PTS < s.DTS {
					t.Fatalf("frame %d: DTS %d, PTS %d", i, s.DTS, s.PTS)
				}
				if s.PTS%frame != 0 || shown[s.PTS/frame] {
					t.Fatalf("frame %d: a second one is shown at %d", i, s.PTS)
				}
				shown[s.PTS/frame] = true
				if s.Key != (i%30 == 0) {
					t.Errorf("frame %d: key is %v", i, s.Key)
				}
			}
			for i := range int64(145) {
				if !shown[i] {
					t.Errorf("no frame is shown at %d", i)
				}
			}
		})
	}
}

// A loop is not a whole number of audio frames. Sound goes on to the sample,
// and stays within half a frame of the picture.
func TestSoundOverLoops(t *testing.T) {
	path := mediatest.File(t, "a.mp4", "2", with(h264, "-c:a", "aac", "-ar", "44100")...)
	got := play(t, path, 21*time.Second)
	audio := got.Of(1)
	if audio[0].DTS != -1024 { // the encoder's start, before zero
		t.Errorf("sound starts at %d", audio[0].DTS)
	}
	for i, s := range audio {
		if s.DTS != audio[0].DTS+1024*int64(i) || s.Duration != 1024 {
			t.Fatalf("audio frame %d is at %d", i, s.DTS)
		}
	}
	if n := len(audio); n < 21*44100/1024-4 || n > 21*44100/1024+3 {
		t.Errorf("%d audio frames in 21 s", n)
	}
	// The frame that a loop starts with comes back at each loop.
	first := audio[1].Data
	for loop := int64(1); loop < 10; loop++ {
		found := false
		for _, s := range audio {
			if off := s.DTS - loop*2*44100; off >= -512 && off <= 512 && bytes.Equal(s.Data, first) {
				found = true
			}
		}
		if !found {
			t.Errorf("loop %d does not start with the first frame of sound", loop)
		}
	}
}

func TestDeliversInRealTime(t *testing.T) {
	path := mediatest.File(t, "a.mp4", "2", with(h264, "-c:a", "aac")...)
	synctest.Test(t, func(t *testing.T) {
		f, err := mp4file.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := f.Run(ctx, &onTime{t: t}); err != nil {
			t.Error(err)
		}
	})
}

// onTime fails the test if a sample comes early or late by its decode time.
type onTime struct {
	t       *testing.T
	formats []media.TrackFormat
	zero    time.Time
}

func (o *onTime) Formats(f []media.TrackFormat) error { o.formats = f; return nil }

func (o *onTime) Sample(s media.Sample) error {
	due := media.Duration(s.DTS, o.formats[s.Track].Timescale)
	if o.zero.IsZero() {
		o.zero = time.Now().Add(-due)
	}
	if off := time.Since(o.zero) - due; off < 0 || off > time.Microsecond {
		o.t.Errorf("sample of track %d due at %v comes %v late", s.Track, due, off)
	}
	return nil
}

func TestFormats(t *testing.T) {
	path := mediatest.File(t, "a.mp4", "1", with(h264, "-c:a", "aac", "-metadata:s:a:0", "language=deu")...)
	f, err := mp4file.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	formats := f.Formats()
	if len(formats) != 2 || formats[0].Kind != wire.Video || formats[1].Language != "deu" || formats[1].Bitrate == 0 {
		t.Errorf("%+v", formats)
	}
	if d := f.Length(); d != time.Second {
		t.Errorf("length %v", d)
	}
}

func TestErrors(t *testing.T) {
	good := mediatest.File(t, "good.mp4", "1", with(h264, "-c:a", "aac")...)
	goodFast := mediatest.File(t, "fast.mp4", "1", with(h264, "-c:a", "aac", "-movflags", "+faststart")...)
	cut := func(path string, size int) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if size < 0 {
			size += len(b)
		}
		return write(t, b[:size])
	}
	mixed := with(h264, "-c:a", "libmp3lame")
	tests := []struct {
		name, path string
		want       error
		says       string
	}{
		{"missing", filepath.Join(t.TempDir(), "none.mp4"), fs.ErrNotExist, "none.mp4"},
		{"directory", t.TempDir(), media.ErrNotMedia, "not a regular file"},
		{"empty", write(t, nil), media.ErrNotMedia, "empty"},
		{"text", write(t, []byte(strings.Repeat("no video in here\n", 100))), media.ErrNotMedia, "not an MP4 file"},
		{"a few bytes", write(t, []byte("abc")), media.ErrNotMedia, "not an MP4 file"},
		{"another container", mediatest.File(t, "a.mkv", "1", with(h264, "-an")...), media.ErrNotMedia, "not an MP4 file"},
		{"cut before the index", cut(good, -2000), media.ErrTruncated, "truncated"},
		{"cut after the index", cut(goodFast, -2000), media.ErrTruncated, "truncated"},
		{"cut in the index", cut(goodFast, 500), media.ErrTruncated, "truncated"},
		{"MPEG-4 part 2", mediatest.File(t, "a.mp4", "1", "-c:v", "mpeg4", "-an"), media.ErrUnsupported, "MPEG-4 part 2"},
		{"VP9", mediatest.File(t, "a.mp4", "0.2", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-an"), media.ErrUnsupported, "VP9"},
		{"MP3", mediatest.File(t, "a.mp4", "1", mixed...), media.ErrUnsupported, "MP3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := mp4file.Open(tt.path)
			if err == nil {
				f.Close()
				t.Fatal("no error")
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
			t.Log(err)
		})
	}
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.mp4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func FuzzFile(f *testing.F) {
	for _, args := range [][]string{
		with(h264, "-s", "32x32", "-c:a", "aac"),
		with(h264, "-s", "32x32", "-c:a", "libopus", "-movflags", "+frag_keyframe+empty_moov"),
	} {
		b, err := os.ReadFile(mediatest.File(f, "a.mp4", "0.2", args...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := mp4file.New("fuzz", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_ = file.Run(ctx, &few{left: 4, cancel: cancel})
	})
}

// few ends an input after a few samples. It is called without waiting only for
// samples that are due, so the fuzzer does not play in real time for long.
type few struct {
	left   int
	cancel func()
}

func (f *few) Formats([]media.TrackFormat) error {
	time.AfterFunc(time.Millisecond, f.cancel)
	return nil
}

func (f *few) Sample(media.Sample) error {
	if f.left--; f.left == 0 {
		f.cancel()
	}
	return nil
}
