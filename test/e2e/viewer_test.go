// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// status is a line of `watch --json`, by the names that scripts rely on.
type status struct {
	State string `json:"state"`
	NAT   struct {
		Mapping, Filtering, Type string
	} `json:"nat"`
	BytesFromPeers  int64       `json:"bytes_from_peers"`
	BytesFromEdges  int64       `json:"bytes_from_edges"`
	BytesUploaded   int64       `json:"bytes_uploaded"`
	FragmentsPlayed int64       `json:"fragments_played"`
	FragmentsMissed int64       `json:"fragments_missed"`
	Stalls          int64       `json:"stalls"`
	QueuePlace      int         `json:"queue_place"`
	LatencyMS       percentiles `json:"latency_ms"`
	Peers           []peer      `json:"peers"`
	Final           bool        `json:"final"`

	at time.Time // when it was printed
}

type percentiles struct{ P50, P95, P99 int }

type peer struct {
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	Role     string `json:"role"`
	BytesIn  int64  `json:"bytes_in"`
	BytesOut int64  `json:"bytes_out"`
}

// bytesOut is what was given to viewers.
func (s status) bytesOut() (sum int64) {
	for _, p := range s.Peers {
		if p.Role == "viewer" {
			sum += p.BytesOut
		}
	}
	return sum
}

// hasPeerAt reports whether there is a session with that UDP address.
func (s status) hasPeerAt(addr string) bool {
	for _, p := range s.Peers {
		if p.Addr == addr {
			return true
		}
	}
	return false
}

// hasRole reports whether there is a session with a peer of that role.
func (s status) hasRole(role string) bool {
	for _, p := range s.Peers {
		if p.Role == role {
			return true
		}
	}
	return false
}

const (
	// statusInterval is the time between two lines of `watch --json`.
	statusInterval = time.Second
	// playing is how many fragments a second a viewer plays at least of the
	// streams of these tests: 25 frames or more, and some 12 of audio. Half of
	// it leaves room for a slow machine, and is far from nothing.
	playing = 18
)

// viewer is a running `watch --json`.
type viewer struct{ *node }

func (p program) viewer(name, link string, args ...string) *viewer {
	p.t.Helper()
	return &viewer{p.node(name, func(udp, http string) []string {
		return append([]string{"watch", link, "--json", "--udp", udp, "--http", http}, args...)
	})}
}

// parseStatus reads one line of `watch --json`.
func parseStatus(line proc.Line) (status, error) {
	s := status{at: line.At}
	err := json.Unmarshal([]byte(line.Text), &s)
	return s, err
}

// statuses returns all statuses so far.
func (v *viewer) statuses(t *testing.T) []status {
	t.Helper()
	var all []status
	for _, line := range v.Stdout.All() {
		s, err := parseStatus(line)
		if err != nil {
			t.Fatalf("%s: line %q of --json: %v", v.Name, line.Text, err)
		}
		all = append(all, s)
	}
	return all
}

// last returns the newest status.
func (v *viewer) last(t *testing.T) status {
	t.Helper()
	all := v.statuses(t)
	if len(all) == 0 {
		t.Fatalf("%s has printed no status", v.Name)
	}
	return all[len(all)-1]
}

// await waits for a status that was printed after that moment, and no later
// than within after it, and that ok accepts. The zero moment stands for all
// there are, and within begins now.
func (v *viewer) await(t *testing.T, after time.Time, within time.Duration, what string, ok func(status) bool) status {
	t.Helper()
	var found status
	left := within
	if !after.IsZero() {
		left = time.Until(after.Add(within))
	}
	_, seen := v.Stdout.Await(left, func(line proc.Line) bool {
		s, err := parseStatus(line)
		found = s
		return err == nil && line.At.After(after) && ok(s)
	})
	if !seen {
		t.Fatalf("%s: not within %v: %s", v.Name, within, what)
	}
	return found
}

// awaitPlaying waits until two statuses after that moment tell that fragments
// have been played all the time between them. What was on its way at that
// moment is played long before.
func (v *viewer) awaitPlaying(t *testing.T, after time.Time, within time.Duration) status {
	t.Helper()
	before := int64(-1)
	return v.await(t, after, within, "plays", func(s status) bool {
		delta := s.FragmentsPlayed - before
		first := before < 0
		before = s.FragmentsPlayed
		return !first && delta >= playing
	})
}

// contains accepts lines with that text.
func contains(text string) func(proc.Line) bool {
	return func(l proc.Line) bool { return strings.Contains(l.Text, text) }
}
