// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"bytes"
	"encoding/json"
	"math"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// publish feeds a source as a broadcaster would: ffmpeg sends a moving picture
// and a tone by RTMP, in real time, until it is killed.
func publish(t *testing.T, rtmpAddr string) *proc.Process {
	t.Helper()
	return proc.Start(t, proc.Spec{Name: "ffmpeg", Path: "ffmpeg", Foreign: true, Args: []string{
		"-v", "warning", "-nostdin",
		"-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30",
		"-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p",
		"-c:a", "aac", "-f", "flv", "rtmp://" + rtmpAddr + "/live/" + streamName,
	}})
}

// makeMedia writes a short file with ffmpeg's built-in sources.
func makeMedia(t *testing.T, path string, args ...string) {
	t.Helper()
	all := append([]string{
		"-v", "error", "-nostdin", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=3",
		"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3",
	}, args...)
	if out, err := exec.Command("ffmpeg", append(all, path)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
}

// track is what a recording holds of one stream, in seconds.
type track struct{ start, end float64 }

func (k track) duration() float64 { return k.end - k.start }

// probe is what ffprobe prints, as far as it is read here.
type probe struct {
	Streams []struct {
		Index int    `json:"index"`
		Type  string `json:"codec_type"`
	} `json:"streams"`
	Packets []struct {
		Stream   int    `json:"stream_index"`
		PTS      string `json:"pts_time"`
		Duration string `json:"duration_time"`
	} `json:"packets"`
	Format struct {
		Duration string `json:"duration"`
	} `json:"format"`
}

// probeArgs makes ffprobe print what readProbe reads, of the whole file.
var probeArgs = []string{
	"-v", "warning", "-of", "json",
	"-show_entries", "stream=index,codec_type:packet=stream_index,pts_time,duration_time:format=duration",
}

// readProbe returns the tracks by their type. Anything that ffprobe had to
// complain about fails the test.
func readProbe(t *testing.T, stdout, complaints []byte) (map[string]track, probe) {
	t.Helper()
	if len(bytes.TrimSpace(complaints)) > 0 {
		t.Errorf("ffprobe complains:\n%s", complaints)
	}
	var p probe
	if err := json.Unmarshal(stdout, &p); err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	tracks := make(map[string]track)
	for _, s := range p.Streams {
		k := track{start: math.Inf(1), end: math.Inf(-1)}
		for _, packet := range p.Packets {
			if packet.Stream == s.Index {
				pts := seconds(t, packet.PTS)
				k.start = min(k.start, pts)
				if packet.Duration == "" { // MPEG-TS does not tell it for all
					packet.Duration = "0"
				}
				k.end = max(k.end, pts+seconds(t, packet.Duration))
			}
		}
		tracks[s.Type] = k
	}
	return tracks, p
}

func seconds(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("ffprobe: %q is no time", s)
	}
	return f
}

// Tolerances of a recording.
const (
	durationTolerance = 500 * time.Millisecond
	syncTolerance     = 50 * time.Millisecond
)

// checkTracks wants video and audio of that duration that start together.
func checkTracks(t *testing.T, tracks map[string]track, want time.Duration) {
	t.Helper()
	for _, kind := range []string{"video", "audio"} {
		k, ok := tracks[kind]
		if !ok {
			t.Errorf("no %s in the recording", kind)
			continue
		}
		if math.Abs(k.duration()-want.Seconds()) > durationTolerance.Seconds() {
			t.Errorf("%s lasts %.3f s, want %v", kind, k.duration(), want)
		}
	}
	if apart := math.Abs(tracks["video"].start - tracks["audio"].start); apart > syncTolerance.Seconds() {
		t.Errorf("video and audio start %.3f s apart: %+v", apart, tracks)
	}
}

// checkRecording probes a file and decodes every frame of it.
func checkRecording(t *testing.T, path string, want time.Duration) {
	t.Helper()
	cmd := exec.Command("ffprobe", append(probeArgs, path)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffprobe %s: %v\n%s", path, err, stderr.Bytes())
	}
	tracks, p := readProbe(t, stdout.Bytes(), stderr.Bytes())
	checkTracks(t, tracks, want)
	if math.Abs(seconds(t, p.Format.Duration)-want.Seconds()) > durationTolerance.Seconds() {
		t.Errorf("ffprobe says that %s lasts %s s, want %v", path, p.Format.Duration, want)
	}
	if out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s does not decode without a fault: %v\n%s", path, err, out)
	}
}
