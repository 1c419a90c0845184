// SPDX-License-Identifier: GPL-3.0-or-later

// Package mediatest helps tests of media: it makes files with ffmpeg, collects
// what inputs and segmenters give, and lets ffmpeg judge the result.
package mediatest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"p2plive/internal/live"
	"p2plive/internal/media"
	"p2plive/internal/wire"
)

// FFmpeg runs ffmpeg and fails the test if it does.
func FFmpeg(t testing.TB, args ...string) {
	t.Helper()
	run(t, "ffmpeg", append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}, args...)...)
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String() + stderr.String()
}

// Source is ffmpeg's input of a small moving picture and a stereo tone.
func Source(seconds string) []string {
	return []string{
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=" + seconds,
		"-f", "lavfi", "-i", "aevalsrc=0.1*sin(880*t)|0.1*sin(1320*t):s=48000:d=" + seconds,
	}
}

// File makes a media file from Source and returns its path.
func File(t testing.TB, name, seconds string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	FFmpeg(t, append(append(Source(seconds), args...), path)...)
	return path
}

// Output collects what a segmenter makes. It can be read while that runs.
type Output struct {
	mu        sync.Mutex
	catalogs  []*wire.Catalog
	fragments []*live.Fragment
	changed   chan struct{}
}

// NewOutput returns an empty Output.
func NewOutput() *Output { return &Output{changed: make(chan struct{}, 1)} }

// Catalog implements segment.Output.
func (o *Output) Catalog(c *wire.Catalog) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.catalogs = append(o.catalogs, c)
	o.wake()
	return nil
}

// Fragment implements segment.Output.
func (o *Output) Fragment(f *live.Fragment) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fragments = append(o.fragments, f)
	o.wake()
	return nil
}

func (o *Output) wake() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// Wait waits until done says so, given what there is so far.
func (o *Output) Wait(t testing.TB, done func([]*wire.Catalog, []*live.Fragment) bool) {
	t.Helper()
	for {
		o.mu.Lock()
		ok := done(o.catalogs, o.fragments)
		o.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-o.changed:
		case <-t.Context().Done():
			t.Fatal("the test ended while waiting for fragments")
		}
	}
}

// Catalogs returns the catalogs so far.
func (o *Output) Catalogs() []*wire.Catalog {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.catalogs)
}

// Fragments returns the fragments of a track so far.
func (o *Output) Fragments(id wire.TrackID) []*live.Fragment {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []*live.Fragment
	for _, f := range o.fragments {
		if f.Track == id {
			out = append(out, f)
		}
	}
	return out
}

// Packet is what ffprobe tells of a packet.
type Packet struct {
	PTS      int64  `json:"pts"`
	DTS      int64  `json:"dts"`
	Duration int64  `json:"duration"`
	Size     string `json:"size"`
	Flags    string `json:"flags"`
}

// Check writes header and fragments of a track to a file, fails the test if
// ffmpeg finds the least fault with it, and returns its packets.
func Check(t testing.TB, track *wire.Track, fragments []*live.Fragment) []Packet {
	t.Helper()
	if track == nil {
		t.Fatal("no such track")
	}
	b := slices.Clone(track.Init)
	for _, f := range fragments {
		b = append(b, f.Data...)
	}
	path := filepath.Join(t.TempDir(), "track.mp4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "null", "-"); out != "" {
		t.Errorf("ffmpeg about track %d (%s): %s", track.ID, track.Codec, out)
	}
	var probe struct{ Packets []Packet }
	out := run(t, "ffprobe", "-v", "error", "-ignore_editlist", "1", "-show_packets", "-of", "json", path)
	if err := json.Unmarshal([]byte(out), &probe); err != nil {
		t.Fatalf("ffprobe about track %d: %v\n%s", track.ID, err, out)
	}
	return probe.Packets
}

// Samples collects what an input gives. It is a media.Sink.
type Samples struct {
	Limit int    // call Done after so many samples, if not zero
	Done  func() // ends the input

	AllFormats [][]media.TrackFormat
	All        []media.Sample
}

// Formats implements media.Sink.
func (s *Samples) Formats(f []media.TrackFormat) error {
	s.AllFormats = append(s.AllFormats, f)
	return nil
}

// Sample implements media.Sink.
func (s *Samples) Sample(m media.Sample) error {
	s.All = append(s.All, m)
	if len(s.All) == s.Limit {
		s.Done()
	}
	return nil
}

// Of returns the samples of a track.
func (s *Samples) Of(track int) []media.Sample {
	var out []media.Sample
	for _, m := range s.All {
		if m.Track == track {
			out = append(out, m)
		}
	}
	return out
}
