// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// TestRecordings sends one RTMP stream through tracker, edge and source to
// viewers that write it to a file of each format and to a pipe.
func TestRecordings(t *testing.T) {
	t.Parallel()
	rtmp := proc.FreeAddr(t)
	n := fast(t).network("rtmp://" + rtmp)
	publish(t, rtmp)

	const long, short = 20 * time.Second, 8 * time.Second
	mp4, ts := filepath.Join(t.TempDir(), "x.mp4"), filepath.Join(t.TempDir(), "x.ts")
	viewers := []*viewer{
		n.viewer("viewer to .mp4", n.link, "--out", mp4, "--duration", long.String()),
		n.viewer("viewer to .ts", n.link, "--out", ts, "--duration", long.String()),
		n.viewer("viewer", n.link, "--duration", (long + short).String()),
	}
	for _, v := range viewers {
		v.awaitPlaying(t, time.Now(), playTime)
	}
	t.Run("pipe", func(t *testing.T) { recordToPipe(t, n.link, short) })

	var fromPeers, uploaded int64
	for _, v := range viewers {
		if code := v.Wait(long + startTime); code != 0 {
			t.Errorf("%s: exit code %d", v.Name, code)
		}
		final := v.last(t)
		if !final.Final {
			t.Errorf("%s: the last line of --json is not final", v.Name)
		}
		if final.FragmentsMissed != 0 {
			t.Errorf("%s: %d fragments missed", v.Name, final.FragmentsMissed)
		}
		fromPeers += final.BytesFromPeers
		uploaded += final.BytesUploaded
	}
	if fromPeers == 0 || uploaded == 0 {
		t.Errorf("viewers gave each other nothing: %d bytes from peers, %d bytes uploaded", fromPeers, uploaded)
	}
	t.Logf("%d bytes came from viewers", fromPeers)
	checkRecording(t, mp4, long)
	checkRecording(t, ts, long)
}

// recordToPipe has ffprobe read what `watch --out -` writes.
func recordToPipe(t *testing.T, link string, duration time.Duration) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	ffprobe := proc.Start(t, proc.Spec{
		Name: "ffprobe", Path: "ffprobe", Foreign: true, Args: append(probeArgs, "-"), Stdin: r, Stdout: &stdout,
	})
	r.Close()
	watch := fast(t).start(proc.Spec{
		Name: "viewer to a pipe", Stdout: w,
		Args: []string{"watch", link, "--out", "-", "--duration", duration.String(), "--http", proc.FreeAddr(t), "--udp", "127.0.0.1:0"},
	})
	w.Close()
	if code := watch.Wait(playTime + duration); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := ffprobe.Wait(startTime); code != 0 {
		t.Errorf("ffprobe: exit code %d", code)
	}
	var complaints []byte
	for _, line := range ffprobe.Stderr.All() {
		complaints = append(append(complaints, line.Text...), '\n')
	}
	tracks, _ := readProbe(t, stdout.Bytes(), complaints)
	checkTracks(t, tracks, duration)
}
