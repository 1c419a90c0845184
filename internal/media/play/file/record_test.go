// SPDX-License-Identifier: GPL-3.0-or-later

package file

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media/play"
	"p2plive/internal/media/play/playtest"
)

// record writes all of the stream to a file with the given ending.
func record(t *testing.T, s *playtest.Stream, ending string, duration time.Duration) (string, Result) {
	t.Helper()
	hub := play.NewHub()
	path := filepath.Join(t.TempDir(), "out"+ending)
	type outcome struct {
		result Result
		err    error
	}
	done := make(chan outcome)
	go func() {
		r, err := Record(t.Context(), hub, Options{Path: path, Duration: duration})
		done <- outcome{r, err}
	}()
	for hub.Players() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Publish(hub)
	hub.Close()
	o := <-done
	if o.err != nil {
		t.Fatal(o.err)
	}
	return path, o.result
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.SplitN(s, "\n", 2)[0]), 64)
	if err != nil {
		t.Fatalf("not a number: %q", s)
	}
	return f
}

func TestRecordingsAreClean(t *testing.T) {
	opus := []string{"-c:a", "libopus"}
	for _, c := range []struct {
		name, ending string
		options      playtest.Options
		lead         float64 // what the format starts with
	}{
		{"mp4", ".mp4", playtest.Options{}, 0},
		{"mp4 late in the stream", ".mp4", playtest.Options{Offset: 100 * time.Hour}, 0},
		{"mp4 with B-frames and opus", ".mp4", playtest.Options{Audio: opus, Video: []string{"-c:v", "libx264", "-bf", "2"}}, 0},
		{"mp4 hevc", ".mp4", playtest.Options{Video: []string{"-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=none"}}, 0},
		{"mp4 av1", ".mp4", playtest.Options{Video: []string{"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"}, Length: 2 * time.Second}, 0},
		{"mp4 without sound", ".mp4", playtest.Options{NoAudio: true}, 0},
		{"ts", ".ts", playtest.Options{}, 0.1},
		{"ts late in the stream", ".ts", playtest.Options{Offset: 100 * time.Hour}, 0.1},
		{"ts with B-frames and opus", ".ts", playtest.Options{Audio: opus, Video: []string{"-c:v", "libx264", "-bf", "2"}}, 0.1},
		{"ts hevc", ".ts", playtest.Options{Video: []string{"-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=none"}}, 0.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := playtest.Make(t, c.options)
			path, result := record(t, s, c.ending, 0)
			if said := run(t, "ffprobe", "-v", "warning", "-i", path); said != "" {
				t.Errorf("ffprobe says: %s", said)
			}
			if said := run(t, "ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"); said != "" {
				t.Errorf("ffmpeg says: %s", said)
			}
			want := 5.0
			if c.options.Length != 0 {
				want = c.options.Length.Seconds()
			}
			duration := number(t, run(t, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path))
			if math.Abs(duration-want) > 0.25 || math.Abs(result.Duration.Seconds()-want) > 0.25 {
				t.Errorf("duration %.3f s, result says %v, want %.1f s", duration, result.Duration, want)
			}
			frames := number(t, run(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames",
				"-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path))
			if frames != want*30 {
				t.Errorf("%v frames, want %v", frames, want*30)
			}
			video := start(t, path, "v:0")
			if math.Abs(video-c.lead) > 0.1 {
				t.Errorf("starts at %.3f s, want about %.1f", video, c.lead)
			}
			if !c.options.NoAudio {
				// B-frames show the first picture two frames after its decoding.
				if d := math.Abs(start(t, path, "a:0") - video); d > 0.070 {
					t.Errorf("audio starts %.3f s apart", d)
				}
			}
		})
	}
}

func start(t *testing.T, path, stream string) float64 {
	t.Helper()
	return number(t, run(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "stream=start_time", "-of", "csv=p=0", path))
}

func TestDuration(t *testing.T) {
	s := playtest.Make(t, playtest.Options{})
	for _, ending := range []string{".mp4", ".ts"} {
		path, result := record(t, s, ending, 3*time.Second)
		for _, stream := range []string{"v:0", "a:0"} {
			last := run(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", path)
			lines := strings.Split(strings.ReplaceAll(last, ",", ""), "\n")
			end := number(t, lines[len(lines)-1]) - start(t, path, stream)
			if end < 2.85 || end > 3.01 {
				t.Errorf("%s: last packet of %s at %.3f s", ending, stream, end)
			}
		}
		if math.Abs(result.Duration.Seconds()-3) > 0.1 {
			t.Errorf("%s: result says %v", ending, result.Duration)
		}
	}
}

func TestHoleKeepsTimesTrue(t *testing.T) {
	s := playtest.Make(t, playtest.Options{})
	var kept []*live.Fragment
	for _, f := range s.Fragments {
		if f.Track != playtest.VideoTrack || f.Seq < 70 || f.Seq >= 75 {
			kept = append(kept, f)
		}
	}
	s.Fragments = kept
	path, _ := record(t, s, ".mp4", 0)
	times := run(t, "ffprobe", "-v", "warning", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", path)
	lines := strings.Split(times, "\n")
	if hole := number(t, lines[70]) - number(t, lines[69]); math.Abs(hole-6./30) > 0.001 {
		t.Errorf("hole of %.3f s in the file, want 0.2", hole)
	}
}

func TestRestartedSourceFollowsOn(t *testing.T) {
	s := playtest.Make(t, playtest.Options{Length: 2 * time.Second})
	again := *s.Catalog
	again.Epoch++
	hub := play.NewHub()
	path := filepath.Join(t.TempDir(), "out.mp4")
	done := make(chan error)
	go func() {
		_, err := Record(t.Context(), hub, Options{Path: path})
		done <- err
	}()
	for hub.Players() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Publish(hub)
	hub.SetCatalog(&again)
	for _, f := range s.Fragments {
		next := *f
		next.Epoch++
		hub.Publish(&next)
	}
	hub.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if said := run(t, "ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"); said != "" {
		t.Errorf("ffmpeg says: %s", said)
	}
	duration := number(t, run(t, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path))
	if math.Abs(duration-4) > 0.2 {
		t.Errorf("duration %.3f s, want 4", duration)
	}
}

func TestStandardOutput(t *testing.T) {
	s := playtest.Make(t, playtest.Options{Length: 2 * time.Second})
	hub := play.NewHub()
	var out bytes.Buffer
	done := make(chan error)
	go func() {
		_, err := Record(t.Context(), hub, Options{Path: "-", Stdout: &out})
		done <- err
	}()
	for hub.Players() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Publish(hub)
	hub.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 || out.Len()%188 != 0 || out.Bytes()[0] != 0x47 {
		t.Errorf("%d bytes, want packets of 188", out.Len())
	}
}

func TestErrors(t *testing.T) {
	if err := Check("movie.avi"); !errors.Is(err, ErrName) {
		t.Errorf("movie.avi: %v", err)
	}
	hub := play.NewHub()
	dir := t.TempDir()
	if _, err := Record(t.Context(), hub, Options{Path: filepath.Join(dir, "no", "x.mp4")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Record(ended, hub, Options{Path: filepath.Join(dir, "x.mp4")}); err != nil {
		t.Errorf("end of the context: %v", err)
	}

	playtest.Make(t, playtest.Options{Length: time.Second}).Publish(hub)
	if _, err := os.Stat("/dev/full"); err != nil {
		return // a device of Linux
	}
	full := filepath.Join(dir, "full.ts")
	if err := os.Symlink("/dev/full", full); err != nil {
		t.Fatal(err)
	}
	_, err := Record(t.Context(), hub, Options{Path: full})
	if err == nil || err.Error() != "write "+full+": no space left on device" {
		t.Errorf("full disk: %v", err)
	}
}

func TestChangedFormatEndsMP4(t *testing.T) {
	small := playtest.Make(t, playtest.Options{Length: time.Second})
	large := playtest.Make(t, playtest.Options{Length: time.Second, Size: "640x360"})
	hub := play.NewHub()
	small.Publish(hub)
	large.Catalog.Version = 2
	path := filepath.Join(t.TempDir(), "x.mp4")
	done := make(chan error)
	go func() {
		_, err := Record(t.Context(), hub, Options{Path: path})
		done <- err
	}()
	for hub.Players() == 0 {
		time.Sleep(time.Millisecond)
	}
	large.Publish(hub)
	if err := <-done; !errors.Is(err, ErrChanged) {
		t.Errorf("error %v, want ErrChanged", err)
	}
	if said := run(t, "ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"); said != "" {
		t.Errorf("ffmpeg says: %s", said)
	}
}
