// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// wantOnce wants that a process has logged something exactly once.
func wantOnce(t *testing.T, p *proc.Process, text string) {
	t.Helper()
	if n := len(p.Stderr.Containing(text)); n != 1 {
		t.Errorf("%s has said %q %d times, want once", p.Name, text, n)
	}
}

// TestTrackerComesLate starts the peers before their tracker: they say so once,
// try on, and play when it is there. Then the tracker goes away for a while,
// which must not disturb anybody.
func TestTrackerComesLate(t *testing.T) {
	t.Parallel()
	listen, udp := proc.FreeAddr(t), proc.FreeAddr(t)
	url := "http://" + listen
	link := url + "/s/" + streamName
	p2plive := fast(t)
	edge := p2plive.edge(url)
	source := p2plive.source(url, "demo")
	v := p2plive.viewer("viewer", link)
	peers := []*node{edge, source, v.node}
	for _, p := range peers {
		p.WaitLine(startTime, "tracker is away")
	}
	v.await(t, time.Time{}, playTime, "says that it connects", func(s status) bool { return s.State == "connecting" })
	// Several attempts have failed by then.
	v.await(t, time.Now().Add(3*time.Second), startTime, "goes on", func(status) bool { return true })
	for _, p := range peers {
		wantOnce(t, p.Process, "tracker is away")
		if !p.Running() {
			t.Errorf("%s has ended", p.Name)
		}
	}

	start := func() *proc.Process {
		return p2plive.run("tracker", "tracker", "--listen", listen, "--udp", udp)
	}
	tracker := start()
	v.awaitPlaying(t, time.Now(), playTime)
	before := v.await(t, time.Time{}, startTime, "knows that no NAT is on the way", func(s status) bool {
		return s.NAT.Type == "open" && s.NAT.Mapping != "unknown" && s.NAT.Filtering != "unknown"
	})

	tracker.Kill()
	killed := time.Now()
	v.awaitPlaying(t, killed.Add(2*time.Second), startTime)
	start()
	for _, p := range peers {
		p.WaitLines(playTime, "tracker is back", 2)
	}
	proc.Eventually(t, startTime, "a new tracker knows the stream", func() error {
		_, err := streamOf(url)
		return err
	})
	after := v.awaitPlaying(t, time.Now(), startTime)
	if after.FragmentsMissed != before.FragmentsMissed || after.Stalls != before.Stalls {
		t.Errorf("the tracker's crash was felt: %+v before, %+v after", before, after)
	}
}

// TestTrackerIsNotThere limits the time of a watch that never finds a tracker.
func TestTrackerIsNotThere(t *testing.T) {
	t.Parallel()
	link := "http://" + proc.FreeAddr(t) + "/s/" + streamName
	wantFailure(t, failure{exitUnreachable, link}, nil,
		"watch", link, "--duration", "2s", "--http", "127.0.0.1:0", "--udp", "127.0.0.1:0")
}

// TestStreamComesLate starts a viewer before its stream, ends the stream, and
// begins it again.
func TestStreamComesLate(t *testing.T) {
	t.Parallel()
	p2plive := checked(t)
	url := "http://" + p2plive.tracker().http
	p2plive.edge(url)
	v := p2plive.viewer("viewer", url+"/s/"+streamName)
	v.WaitLine(startTime, "not live yet")
	v.await(t, time.Time{}, startTime, "waits", func(s status) bool { return s.State == "waiting" })

	p2plive.source(url, "demo")
	live := time.Now()
	v.await(t, live, playTime, "is live", func(s status) bool { return s.State == "live" })
	v.awaitPlaying(t, live, playTime)
	wantOnce(t, v.Process, "not live yet")
}

// TestSourceStartsAgain ends a source and starts it again with the stream's
// key: viewers that stayed play on.
func TestSourceStartsAgain(t *testing.T) {
	t.Parallel()
	p2plive := checked(t)
	url := "http://" + p2plive.tracker().http
	p2plive.edge(url)
	key := filepath.Join(t.TempDir(), "stream.key")
	source := p2plive.source(url, "demo", "--stream-key-file", key)
	v := p2plive.viewer("viewer", url+"/s/"+streamName)
	v.awaitPlaying(t, time.Now(), playTime)

	source.Stop()
	v.await(t, time.Now(), atOnce, "knows that the broadcast has ended", func(s status) bool { return s.State == "ended" })
	source.restart()
	v.awaitPlaying(t, time.Now(), playTime)

	source.Kill() // and without a good-bye
	source.restart()
	v.awaitPlaying(t, time.Now(), playTime)
}

// TestNameIsTaken announces a second stream under the name of a live one.
func TestNameIsTaken(t *testing.T) {
	t.Parallel()
	n := checked(t).network("demo")
	v := n.viewers(1)[0]
	wantFailure(t, failure{exitFailed, "already live by another key"}, nil,
		"source", "--tracker", n.url, "--name", streamName, "--input", "demo", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0")
	v.awaitPlaying(t, time.Now(), startTime)
}

// fullEdge is the budget of an edge that feeds one viewer: of twice the test
// picture's 230 kbit/s and their headers, three quarters are for places.
const fullEdge = "550k"

// TestStreamIsFull has an edge whose budget feeds one viewer, and viewers that
// give nothing: the second and the third wait in order, say which place they
// have, and each comes in when one has left.
func TestStreamIsFull(t *testing.T) {
	t.Parallel()
	p2plive := checked(t)
	n := &network{program: p2plive, tracker: p2plive.tracker()}
	n.url = "http://" + n.tracker.http
	n.link = n.url + "/s/" + streamName
	n.edge = p2plive.edge(n.url, "--upload-limit", fullEdge)
	n.source = p2plive.source(n.url, "demo")
	n.awaitLive()
	watch := func(name string) *viewer { return p2plive.viewer(name, n.link, "--edge-only") }
	place := func(v *viewer, after time.Time, place int) {
		t.Helper()
		v.await(t, after, playTime, fmt.Sprintf("waits in place %d", place), func(s status) bool {
			return s.State == "queued" && s.QueuePlace == place && s.FragmentsPlayed == 0
		})
	}

	first := watch("first viewer")
	first.awaitPlaying(t, time.Now(), playTime)
	second := watch("second viewer")
	place(second, time.Time{}, 1)
	third := watch("third viewer")
	place(third, time.Time{}, 2)

	first.Stop()
	left := time.Now()
	s := second.awaitPlaying(t, left, playTime)
	if s.State != "live" || s.QueuePlace != 0 {
		t.Errorf("the second viewer plays, and says that it is %s in place %d", s.State, s.QueuePlace)
	}
	place(third, left, 1)
}
