// SPDX-License-Identifier: GPL-3.0-or-later

package netns

import (
	"encoding/json"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// firstPicture is what the start of a viewer may take where UDP is blocked.
const firstPicture = 3 * time.Second

// status is what is read of a line of `p2plive watch --json`.
type status struct {
	FragmentsPlayed int64 `json:"fragments_played"`
	FragmentsMissed int64 `json:"fragments_missed"`
	FirstFragmentMS int64 `json:"first_fragment_ms"`
	NAT             struct {
		Mapped string
	}
	Peers []struct {
		Addr, Path, Reason, Role string
	}
}

// reached says whether some peer is reached by a path, and none by another.
func (s status) reached(path string) bool {
	for _, p := range s.Peers {
		if p.Path != path {
			return false
		}
	}
	return len(s.Peers) > 0
}

// watcher is a viewer whose status is read.
type watcher struct {
	*proc.Process
	t    *testing.T
	read int // lines
}

// live runs a tracker, an edge and a source on the internet.
func (l *lab) live() {
	l.t.Helper()
	l.tracker(1)
	l.stream()
}

// stream runs an edge and a source on the internet.
func (l *lab) stream() {
	l.t.Helper()
	tracker := "http://" + tracker1 + ":7000"
	l.start("internet", "edge", "--tracker", tracker, "--udp", tracker1+":7100", "--http", tracker1+":7180").
		WaitLine(startTime, "edge is up")
	l.start("internet", "source", "--tracker", tracker, "--name", "show", "--input", "demo", "--http", "127.0.0.1:7080").
		WaitLine(startTime, "live")
}

// watch runs a viewer in a namespace.
func (l *lab) watch(ns string, args ...string) *watcher {
	l.t.Helper()
	args = append([]string{"watch", "http://" + tracker1 + ":7000/s/show", "--json", "--http", "127.0.0.1:8080"}, args...)
	return &watcher{Process: l.start(ns, args...), t: l.t}
}

// await waits for a status after those that were read.
func (w *watcher) await(within time.Duration, what string, ok func(status) bool) (s status) {
	w.t.Helper()
	seen := 0
	_, found := w.Stdout.Await(within, func(line proc.Line) bool {
		if seen++; seen <= w.read {
			return false
		}
		s = status{}
		if err := json.Unmarshal([]byte(line.Text), &s); err != nil {
			w.t.Errorf("line %q: %v", line.Text, err)
		}
		return ok(s)
	})
	if !found {
		w.t.Fatalf("not in %v: %s; last: %+v", within, what, s)
	}
	w.read = seen
	return s
}

// plays waits until further fragments have been played.
func (w *watcher) plays(more int64) {
	w.t.Helper()
	from := int64(-1)
	w.await(answerTime, "it plays on", func(s status) bool {
		if from < 0 {
			from = s.FragmentsPlayed
		}
		return s.FragmentsPlayed >= from+more
	})
}

// TestBlockedUDP: a home whose router drops UDP plays from an edge's web port, soon. When UDP is let through again the
// session goes over to it, and back when it is blocked again, and no fragment is missed.
func TestBlockedUDP(t *testing.T) {
	t.Parallel()
	const overWeb = "edge over WebSocket"
	l := newLab(t, private, noUDP)
	l.live()
	w := l.watch("home")
	s := w.await(answerTime, "a fragment", func(s status) bool { return s.FragmentsPlayed > 0 && s.reached(overWeb) })
	t.Logf("the first fragment has come after %d ms", s.FirstFragmentMS)
	if s.FirstFragmentMS > firstPicture.Milliseconds() {
		t.Errorf("the first fragment has come after %d ms", s.FirstFragmentMS)
	}
	if s.Peers[0].Reason == "" {
		t.Error("no reason is given for the path")
	}
	l.rules(masquerade)
	w.await(2*answerTime, "UDP is used", func(s status) bool { return s.reached("edge") })
	w.plays(100)
	l.rules(noUDP)
	w.await(answerTime, "the web port is used", func(s status) bool { return s.reached(overWeb) })
	w.plays(100)
	if s := w.await(answerTime, "a status", func(status) bool { return true }); s.FragmentsMissed > 0 {
		t.Errorf("%d fragments were missed", s.FragmentsMissed)
	}
}
