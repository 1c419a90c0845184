// SPDX-License-Identifier: GPL-3.0-or-later

package rtmp

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/live"
	"p2plive/internal/media/mediatest"
	"p2plive/internal/media/segment"
	"p2plive/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts an input on a free port with a segmenter behind it.
func run(t *testing.T, o Options) (*Input, *mediatest.Output) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	in, err := Listen("rtmp://127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	out := mediatest.NewOutput()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		seg := segment.New(segment.Config{Epoch: wire.Epoch(time.Now().UnixMilli())}, out)
		if err := in.Run(ctx, seg); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return in, out
}

// publish starts ffmpeg as an encoder in real time.
func publish(t *testing.T, in *Input, key, seconds string, codecs ...string) *exec.Cmd {
	t.Helper()
	args := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-re"}, mediatest.Source(seconds)...)
	args = append(append(args, codecs...), "-f", "flv", "rtmp://"+in.Addr().String()+"/live/"+key)
	cmd := exec.CommandContext(t.Context(), "ffmpeg", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

var h264AAC = []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-c:a", "aac"}

func TestEncoders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		codecs []string
	}{
		{"low latency", h264AAC},
		{"B-frames", []string{"-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", "30", "-c:a", "aac"}},
		{"44.1 kHz mono", append(h264AAC[:len(h264AAC):len(h264AAC)], "-ar", "44100", "-ac", "1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in, out := run(t, Options{})
			if err := publish(t, in, "any", "3", tt.codecs...).Wait(); err != nil {
				t.Fatal(err)
			}
			in.waitForNobody(t)
			catalogs := out.Catalogs()
			if len(catalogs) == 0 || len(catalogs[0].Tracks) != 2 {
				t.Fatalf("catalogs %+v", catalogs)
			}
			video, audio := out.Fragments(1), out.Fragments(2)
			if len(video) != 90 {
				t.Errorf("%d of 90 frames", len(video))
			}
			for i, f := range video[1:] {
				if d := f.Base - video[i].Base; d < 2900 || d > 3100 {
					t.Errorf("frame %d comes %d ticks after the last", i+1, d)
				}
			}
			for i, f := range audio[1:] {
				if f.Base != audio[i].Base+uint64(audio[i].Duration) {
					t.Errorf("audio fragment %d does not follow the last", i+1)
				}
			}
			rate := float64(catalogs[0].Track(2).Timescale)
			if apart := float64(video[0].Base)/90000 - float64(audio[0].Base)/rate; apart > 0.1 || apart < -0.1 {
				t.Errorf("sound starts %.3f s before the picture", apart)
			}
			mediatest.Check(t, catalogs[0].Track(1), video)
			mediatest.Check(t, catalogs[0].Track(2), audio)
		})
	}
}

// waitForNobody waits until no connection is left.
func (in *Input) waitForNobody(t *testing.T) {
	t.Helper()
	for {
		in.mu.Lock()
		var any *conn
		for any = range in.conns {
			break
		}
		in.mu.Unlock()
		if any == nil {
			return
		}
		<-any.done
	}
}

// Frames must not wait: the source's clock at the cut and the frame's time
// keep their distance from the first frame on, and the first is not late.
func TestFramesDoNotWait(t *testing.T) {
	in, out := run(t, Options{})
	if err := publish(t, in, "any", "4", h264AAC...).Wait(); err != nil {
		t.Fatal(err)
	}
	in.waitForNobody(t)
	for id, timescale := range map[wire.TrackID]int64{1: 90000, 2: 48000} {
		fragments := out.Fragments(id)
		late := func(f *live.Fragment) int64 { return f.Wall - int64(f.Base+uint64(f.Duration))*1000/timescale }
		first, least, most := late(fragments[0]), int64(1)<<62, int64(-1)<<62
		for _, f := range fragments {
			least, most = min(least, late(f)), max(most, late(f))
		}
		t.Logf("track %d: the first fragment %d ms later than the promptest, the slowest %d ms", id, first-least, most-least)
		if first-least > 400 { // ffmpeg itself starts with a hesitation
			t.Errorf("track %d: the first fragment is %d ms late", id, first-least)
		}
	}
}

func TestSecondEncoderIsRefused(t *testing.T) {
	t.Parallel()
	in, out := run(t, Options{})
	first := publish(t, in, "a", "4", h264AAC...)
	out.Wait(t, func(_ []*wire.Catalog, f []*live.Fragment) bool { return len(f) > 10 })
	if err := publish(t, in, "b", "4", h264AAC...).Wait(); err == nil {
		t.Error("the second encoder was accepted")
	}
	if err := first.Wait(); err != nil {
		t.Errorf("the first encoder: %v", err)
	}
	in.waitForNobody(t)
	if n := len(out.Fragments(1)); n != 120 {
		t.Errorf("%d of 120 frames of the first encoder", n)
	}
}

func TestWrongKeyIsRefused(t *testing.T) {
	t.Parallel()
	in, out := run(t, Options{StreamKey: "right"})
	if err := publish(t, in, "wrong", "2", h264AAC...).Wait(); err == nil {
		t.Error("the wrong key was accepted")
	}
	if err := publish(t, in, "right", "1", h264AAC...).Wait(); err != nil {
		t.Errorf("the right key: %v", err)
	}
	in.waitForNobody(t)
	if n := len(out.Fragments(1)); n != 30 {
		t.Errorf("%d of 30 frames", n)
	}
}

func TestNextEncoderGoesOn(t *testing.T) {
	t.Parallel()
	in, out := run(t, Options{})
	first := publish(t, in, "a", "60", h264AAC...)
	out.Wait(t, func(_ []*wire.Catalog, f []*live.Fragment) bool { return len(f) > 60 })
	if err := first.Process.Kill(); err != nil { // stops in the middle of something
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed
	in.waitForNobody(t)
	before := len(out.Fragments(1))
	second := []string{"-s", "160x90", "-c:v", "libx264", "-preset", "fast", "-bf", "2", "-c:a", "aac", "-ar", "44100"}
	if err := publish(t, in, "b", "2", second...).Wait(); err != nil {
		t.Fatal(err)
	}
	in.waitForNobody(t)

	catalogs := out.Catalogs()
	last := catalogs[len(catalogs)-1]
	if len(last.Tracks) != 2 || last.Track(1).Width != 160 || last.Track(2).Timescale != 44100 {
		t.Fatalf("last catalog %+v", last)
	}
	video := out.Fragments(1)
	if from := last.Track(1).From; int(from) != before || !video[from].Key {
		t.Errorf("the new header is for fragment %d, the first of the second encoder is %d", from, before)
	}
	for i, f := range video[1:] {
		if f.Base <= video[i].Base {
			t.Errorf("frame %d does not come after the last", i+1)
		}
	}
	gap := int64(video[before].Base-video[before-1].Base) / 90
	wall := video[before].Wall - video[before-1].Wall
	if off := gap - wall; off < -300 || off > 300 {
		t.Errorf("timestamps leave %d ms between the encoders, the clock %d ms", gap, wall)
	}
	mediatest.Check(t, last.Track(1), video[before:])
	audio := out.Fragments(2)
	mediatest.Check(t, last.Track(2), audio[last.Track(2).From:])
}

// An encoder that hangs without closing its connection must not keep the one
// that comes after it out.
func TestSilentEncoderGivesWay(t *testing.T) {
	in, err := Listen("rtmp://127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.listener.Close()
	connect := func() (*conn, net.Conn) {
		server, client := net.Pipe()
		c := newConn(server)
		if !in.admit(t.Context(), c) {
			t.Fatal("not admitted")
		}
		return c, client
	}
	first, encoder := connect()
	second, _ := connect()
	if !in.claim(t.Context(), first) {
		t.Fatal("the first encoder was refused")
	}
	if in.claim(t.Context(), second) {
		t.Fatal("the second encoder was accepted beside one that is alive")
	}
	first.lastRead.Add(-int64(deadAfter))
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = encoder.Read(make([]byte, 1)) // ends when the input closes
		in.dismiss(first)
	})
	if !in.claim(t.Context(), second) {
		t.Error("the second encoder was refused beside one that is silent")
	}
	wg.Wait()
	in.dismiss(second)
}

func TestUnsupportedCodecEndsTheEncoderOnly(t *testing.T) {
	t.Parallel()
	in, out := run(t, Options{})
	bad := []string{"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "libmp3lame"}
	_ = publish(t, in, "a", "2", bad...).Wait() // whether ffmpeg minds does not matter
	bad = []string{"-c:v", "flv1", "-c:a", "aac"}
	_ = publish(t, in, "a", "2", bad...).Wait()
	if err := publish(t, in, "a", "1", h264AAC...).Wait(); err != nil {
		t.Fatal(err)
	}
	in.waitForNobody(t)
	if n := len(out.Fragments(1)); n != 30 {
		t.Errorf("%d of 30 frames", n)
	}
}

func TestRubbish(t *testing.T) {
	t.Parallel()
	in, out := run(t, Options{Logger: slog.New(slog.DiscardHandler)})
	rubbish := make([]byte, 256<<10)
	for i := range rubbish {
		rubbish[i] = byte(i * i >> 3)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "HTTP": []byte("GET / HTTP/1.1\r\n\r\n"), "noise": rubbish,
		"handshake, then noise": append([]byte{3}, rubbish...),
	} {
		conn, err := net.Dial("tcp", in.Addr().String())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, _ = conn.Write(data) // may be cut off
		if tcp := conn.(*net.TCPConn); tcp.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, conn) // until the input closes
		}
		conn.Close()
	}
	// Slow ones that say nothing, as many as there is room for but one.
	for range maxConns - 1 {
		conn, err := net.Dial("tcp", in.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if err := publish(t, in, "a", "1", h264AAC...).Wait(); err != nil {
		t.Fatal(err)
	}
	out.Wait(t, func(_ []*wire.Catalog, f []*live.Fragment) bool { return len(f) > 30 })
}

func TestListenErrors(t *testing.T) {
	in, err := Listen("rtmp://127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.listener.Close()
	for _, spec := range []string{"rtmp://" + in.Addr().String(), "rtmp://127.0.0.1:99999", "http://127.0.0.1:1", "rtmp://%zz", "rtmp://a:b@127.0.0.1:0"} {
		if other, err := Listen(spec, Options{}); err == nil {
			other.listener.Close()
			t.Errorf("%s: no error", spec)
		} else {
			t.Log(err)
		}
	}
}
