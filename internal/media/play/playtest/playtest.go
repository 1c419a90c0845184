// SPDX-License-Identifier: GPL-3.0-or-later

// Package playtest makes short live streams for the tests of outputs. ffmpeg
// encodes them, so that what is tested did not make its own input.
package playtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media/cmaf"
	"p2plive/internal/media/play"
	"p2plive/internal/wire"
)

// Options of a stream. Zero values: 5 s of H.264 without B-frames at 30 Hz
// with a key frame every second, and AAC.
type Options struct {
	Length  time.Duration
	Video   []string // ffmpeg's encoder options, such as -c:v libx264 -bf 2
	Audio   []string // such as -c:a libopus
	NoAudio bool
	Size    string // such as 320x180
	// Offset moves all decode times, as on a stream that has run for long.
	Offset time.Duration
}

// Stream is a stream in the order in which its fragments would arrive.
type Stream struct {
	Catalog   *wire.Catalog
	Fragments []*live.Fragment
}

// Track ids of streams.
const (
	VideoTrack wire.TrackID = 1
	AudioTrack wire.TrackID = 2
)

const epoch = 1_700_000_000_000

// audioFragment is the number of samples in an audio fragment: 85 ms of AAC.
const audioFragment = 4

// Make encodes a stream.
func Make(t testing.TB, o Options) *Stream {
	t.Helper()
	if o.Length == 0 {
		o.Length = 5 * time.Second
	}
	if o.Size == "" {
		o.Size = "320x180"
	}
	if o.Video == nil {
		o.Video = []string{"-c:v", "libx264", "-bf", "0", "-preset", "ultrafast"}
	}
	if o.Audio == nil {
		o.Audio = []string{"-c:a", "aac"}
	}
	length := fmt.Sprintf("%.3f", o.Length.Seconds())
	s := &Stream{Catalog: &wire.Catalog{Epoch: epoch, Version: 1, Title: "Test"}}
	video := encode(t, append([]string{"-f", "lavfi", "-i", "testsrc2=size=" + o.Size + ":rate=30", "-t", length,
		"-pix_fmt", "yuv420p", "-g", "30", "-keyint_min", "30"}, o.Video...))
	s.add(t, VideoTrack, wire.Video, video, 1, o.Offset)
	if !o.NoAudio {
		audio := encode(t, append([]string{"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", length, "-ac", "2"}, o.Audio...))
		s.add(t, AudioTrack, wire.Audio, audio, audioFragment, o.Offset)
	}
	slices.SortStableFunc(s.Fragments, func(a, b *live.Fragment) int { return cmp.Compare(s.End(a), s.End(b)) })
	return s
}

// End returns when a fragment is complete, in the stream's time.
func (s *Stream) End(f *live.Fragment) time.Duration {
	return cmaf.Time(f.Base+uint64(f.Duration), s.Catalog.Track(f.Track).Timescale)
}

// Publish hands all of the stream to the hub at once.
func (s *Stream) Publish(hub *play.Hub) {
	hub.SetCatalog(s.Catalog)
	for _, f := range s.Fragments {
		hub.Publish(f)
	}
}

// Play hands the stream to the hub as time passes, until it is over or ctx
// is. The fragments' wall clocks are those of their publication.
func (s *Stream) Play(ctx context.Context, hub *play.Hub) {
	hub.SetCatalog(s.Catalog)
	start, first := time.Now(), s.End(s.Fragments[0])
	for _, f := range s.Fragments {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(start.Add(s.End(f) - first))):
		}
		now := *f
		now.Wall = time.Now().UnixMilli()
		hub.Publish(&now)
	}
}

func encode(t testing.TB, args []string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.mp4")
	args = append(append([]string{"-v", "error", "-y"}, args...), "-use_editlist", "0",
		"-movflags", "+frag_every_frame+empty_moov+default_base_moof", out)
	if text, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// add cuts an encoded file into fragments with some samples each.
func (s *Stream) add(t testing.TB, id wire.TrackID, kind wire.TrackKind, b []byte, samples int, offset time.Duration) {
	t.Helper()
	track := wire.Track{ID: id, Kind: kind, Substreams: 4, Codec: "mp4a.40.2", SampleRate: 48000, Channels: 2}
	var chunks []*cmaf.Chunk
	var moof []byte
	for len(b) > 0 {
		size := binary.BigEndian.Uint32(b)
		raw, name := b[:size], string(b[4:8])
		b = b[size:]
		switch name {
		case "ftyp", "moov":
			track.Init = append(track.Init, raw...)
		case "moof":
			moof = raw
		case "mdat":
			c, err := cmaf.Parse(slices.Concat(moof, raw))
			if err != nil {
				t.Fatal(err)
			}
			chunks = append(chunks, c)
		}
	}
	at := bytes.Index(track.Init, []byte("mdhd"))
	track.Timescale = binary.BigEndian.Uint32(track.Init[at+16:])
	if kind == wire.Video {
		track.Codec, track.SampleRate, track.Channels = videoCodec(track.Init), 0, 0
		track.Width, track.Height = 320, 180
	} else if bytes.Contains(track.Init, []byte("Opus")) {
		track.Codec = "opus"
	}
	s.Catalog.Tracks = append(s.Catalog.Tracks, track)
	shift := uint64(offset.Seconds() * float64(track.Timescale))
	for i := 0; i < len(chunks); i += samples {
		c := chunks[i]
		for _, more := range chunks[i+1 : min(i+samples, len(chunks))] {
			c.Samples = append(c.Samples, more.Samples...)
		}
		c.Base += shift
		s.Fragments = append(s.Fragments, &live.Fragment{
			Epoch: s.Catalog.Epoch, Track: id, Seq: wire.Seq(i / samples), Key: c.Samples[0].Sync(),
			Base: c.Base, Duration: uint32(c.Duration()), Wall: time.Now().UnixMilli(), Data: c.Append(nil),
		})
	}
}

// videoCodec returns the name of the codec in an init segment (RFC 6381).
func videoCodec(init []byte) string {
	if at := bytes.Index(init, []byte("avcC")); at >= 0 {
		return fmt.Sprintf("avc1.%x", init[at+5:at+8])
	}
	if bytes.Contains(init, []byte("av1C")) {
		return "av01.0.00M.08"
	}
	return "hvc1.1.6.L60.90"
}
