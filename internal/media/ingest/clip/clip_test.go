// SPDX-License-Identifier: GPL-3.0-or-later

package clip

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/media"
	"p2plive/internal/media/mediatest"
	"p2plive/internal/media/nalu"
)

func TestIsSmall(t *testing.T) {
	if len(clip) > 600_000 {
		t.Errorf("the clip has %d bytes", len(clip))
	}
}

// play runs the clip for a span of virtual time, starting off the beat.
func play(t *testing.T, span time.Duration, sink media.Sink) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		in, err := New()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), span)
		defer cancel()
		if err := in.Run(ctx, sink); err != nil {
			t.Error(err)
		}
	})
}

// onTheWall fails the test if a sample does not come at its Unix time.
type onTheWall struct {
	mediatest.Samples
	t *testing.T
}

func (o *onTheWall) Sample(s media.Sample) error {
	due := time.Unix(0, 0).Add(media.Duration(s.DTS, o.AllFormats[0][s.Track].Timescale))
	if off := time.Since(due); off < 0 || off > time.Microsecond {
		o.t.Errorf("sample due at %v comes %v late", due, off)
	}
	return o.Samples.Sample(s)
}

func TestKeepsStepWithTheWallClock(t *testing.T) {
	o := &onTheWall{t: t}
	play(t, 2*Length+time.Second, o)
	video, audio := o.Of(0), o.Of(1)
	if !video[0].Key || video[0].DTS%90000 != 0 {
		t.Errorf("starts at %d", video[0].DTS)
	}
	for i, s := range video {
		if s.DTS != video[0].DTS+3000*int64(i) || s.PTS != s.DTS || s.Duration != 3000 || s.Key != (i%FrameRate == 0) {
			t.Fatalf("frame %d: %d, %d, %d, %v", i, s.DTS, s.PTS, s.Duration, s.Key)
		}
	}
	for i, s := range audio {
		if s.DTS != audio[0].DTS+1024*int64(i) || s.Duration != 1024 {
			t.Fatalf("audio frame %d: %d, %d", i, s.DTS, s.Duration)
		}
	}
	if n := len(video); n < 970 || n > 991 {
		t.Errorf("%d frames in 33 s", n)
	}
}

// decode lets ffmpeg decode the clip.
func decode(t *testing.T, data []byte, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error", "-nostdin", "-i", path}, append(args, "-")...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCodeStrip(t *testing.T) {
	for _, size := range []struct{ width, height int }{{640, 360}, {320, 180}} {
		scale := []string{"-map", "0:v", "-vf", fmt.Sprintf("scale=%d:%d", size.width, size.height), "-pix_fmt", "gray", "-f", "rawvideo"}
		pixels := decode(t, clip, scale...)
		frame := size.width * size.height
		if len(pixels) != Frames*frame {
			t.Fatalf("%d bytes of pictures", len(pixels))
		}
		for n := range Frames {
			picture := pixels[n*frame : (n+1)*frame]
			got, ok := ReadFrameNumber(size.width, size.height, func(x, y int) uint8 { return picture[y*size.width+x] })
			if !ok || got != n {
				t.Fatalf("%d pixels wide: frame %d reads as %d, %v", size.width, n, got, ok)
			}
		}
	}
	if _, ok := ReadFrameNumber(640, 360, func(int, int) uint8 { return 255 }); ok {
		t.Error("a white picture has a frame number")
	}
}

func TestFrameAndAge(t *testing.T) {
	at := time.Unix(16*1000+5, 500_000_000)
	if n := Frame(at); n != 165 {
		t.Errorf("frame %d", n)
	}
	if d := Age(165, at.Add(120*time.Millisecond)); d != 120*time.Millisecond {
		t.Errorf("age %v", d)
	}
	if d := Age(479, time.Unix(16*1000, 0)); d < 33*time.Millisecond || d > 34*time.Millisecond {
		t.Errorf("age over the loop %v", d)
	}
}

// The tone must not break where the loop starts over: nowhere around it may it
// curve more than elsewhere, as it would at a click.
func TestSoundHasNoSeam(t *testing.T) {
	s := &mediatest.Samples{}
	play(t, 3*Length, s)
	var adts bytes.Buffer
	for _, a := range s.Of(1) {
		n := len(a.Data) + 7
		adts.Write([]byte{0xff, 0xf1, 0x4c, 0x80 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1f, 0xfc})
		adts.Write(a.Data)
	}
	pcm := decode(t, adts.Bytes(), "-f", "s16le", "-ac", "1")
	value := func(i int) float64 { return float64(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8)) }
	// Frames start at the loop's second s.Of(1)[0].DTS/48000, and decode late
	// by one frame.
	length := int(Length/time.Second) * 48000
	first := int(s.Of(1)[0].DTS % int64(length))
	curve := func(from, to int) (most float64) {
		for i := from; i < to; i++ {
			most = max(most, math.Abs(value(i-1)-2*value(i)+value(i+1)))
		}
		return most
	}
	for loop := 1; loop <= 2; loop++ {
		seam := loop*length - first
		// A full second has its bell; compare with the second before.
		here, there := curve(seam-2048, seam+4096), curve(seam-48000-2048, seam-48000+4096)
		if here > 1.3*there {
			t.Errorf("loop %d: the tone curves %.0f at the seam, %.0f a second earlier", loop, here, there)
		}
	}
	if loud := curve(48000, 96000); loud < 10 {
		t.Errorf("there is no tone: %.1f", loud)
	}
}

// Filled up, the clip has the rate that was asked for in each second, the same
// frames at the same times, and still decodes.
func TestPadded(t *testing.T) {
	const rate = 2_500_000
	plain, padded := &mediatest.Samples{}, &mediatest.Samples{}
	for r, s := range map[int64]*mediatest.Samples{0: plain, rate: padded} {
		synctest.Test(t, func(t *testing.T) {
			in, err := NewPadded(r)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
			defer cancel()
			if err := in.Run(ctx, s); err != nil {
				t.Error(err)
			}
		})
	}
	var annexB bytes.Buffer
	for _, set := range padded.AllFormats[0][0].Params {
		annexB.Write([]byte{0, 0, 0, 1})
		annexB.Write(set)
	}
	bytesOf := 0
	for i, s := range padded.Of(0) {
		p := plain.Of(0)[i]
		if s.DTS != p.DTS || s.Key != p.Key || !bytes.HasPrefix(s.Data, p.Data) {
			t.Fatalf("frame %d is not the clip's", i)
		}
		if i < 3*FrameRate {
			bytesOf += len(s.Data)
		}
		units, err := nalu.Split(s.Data, 4)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range units {
			annexB.Write([]byte{0, 0, 0, 1})
			annexB.Write(u)
		}
	}
	sound := int(padded.AllFormats[0][1].Bitrate)
	if got := bytesOf*8/3 + sound; got < rate*99/100 || got > rate*101/100 {
		t.Errorf("%d bits a second", got)
	}
	if f := padded.AllFormats[0]; f[0].Bitrate+f[1].Bitrate != rate {
		t.Errorf("the formats say %d and %d bits a second", f[0].Bitrate, f[1].Bitrate)
	}
	frames := len(decode(t, annexB.Bytes(), "-pix_fmt", "gray", "-f", "rawvideo")) / (640 * 360)
	if frames != len(padded.Of(0)) {
		t.Errorf("%d of %d frames decode", frames, len(padded.Of(0)))
	}
}
