// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"errors"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

const (
	// recovery is how soon viewers have to go on after a crash of the edge.
	recovery = 5 * time.Second
	// seenWithin is how much later that shows in two lines of --json.
	seenWithin = 2 * statusInterval
	// idleTimeout is when a peer that has crashed is given up.
	idleTimeout = 5 * time.Second
	// growth is what a process may grow over the crashes or attacks of a test,
	// in bytes: the Go runtime gives memory back late, and a store still fills
	// during its first 30 s. One leaked store, or one goroutine for each of
	// 10,000 datagrams, is more. The race detector multiplies memory.
	growth = 24 << 20
)

// allowedGrowth is growth for the build under test.
func allowedGrowth() int64 {
	if proc.RaceEnabled {
		return 4 * growth
	}
	return growth
}

// memory is the resident memory of processes at one moment.
type memory map[*proc.Process]int64

func measure(nodes ...*node) memory {
	m := make(memory)
	for _, n := range nodes {
		m[n.Process] = n.RSS()
	}
	return m
}

// checkGrowth wants that no process has grown by more than allowed since.
func (m memory) checkGrowth(t *testing.T) {
	t.Helper()
	for p, before := range m {
		now := p.RSS()
		t.Logf("%s: %d KiB, %+d KiB", p.Name, now>>10, (now-before)>>10)
		if now-before > allowedGrowth() {
			t.Errorf("%s has grown from %d to %d KiB", p.Name, before>>10, now>>10)
		}
	}
}

func nodesOf(viewers []*viewer) []*node {
	var all []*node
	for _, v := range viewers {
		all = append(all, v.node)
	}
	return all
}

// TestEdgeCrashes kills the only edge, again and again, and starts it again at
// its old addresses, as a service manager does.
func TestEdgeCrashes(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	viewers := n.viewers(3)

	const crashes = 4
	var before memory
	for i := range crashes {
		n.edge.Kill()
		n.edge.restart()
		again := time.Now()
		for _, v := range viewers {
			v.awaitPlaying(t, again, recovery+seenWithin)
		}
		if i == 0 { // the first one fills pools and caches
			before = measure(append(nodesOf(viewers), n.source, n.tracker)...)
		}
	}
	before.checkGrowth(t)
}

// TestFeedingViewerCrashes kills a viewer that feeds others: its children must
// find another parent before their buffers run dry.
func TestFeedingViewerCrashes(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	viewers := n.viewers(5)

	var feeder *viewer
	proc.Eventually(t, playTime, "a viewer feeds others", func() error {
		for _, v := range viewers {
			all := v.statuses(t)
			if len(all) < 2 {
				continue
			}
			if now, before := all[len(all)-1], all[len(all)-2]; now.bytesOut() > before.bytesOut() {
				feeder = v
				return nil
			}
		}
		return errors.New("no viewer has sent anything to another in the last second")
	})
	t.Logf("%s feeds others: %+v", feeder.Name, feeder.last(t).Peers)
	missedBefore := make(map[*viewer]int64)
	for _, v := range viewers {
		missedBefore[v] = v.last(t).FragmentsMissed
	}
	feeder.Kill()
	killed := time.Now()
	for _, v := range viewers {
		if v == feeder {
			continue
		}
		// After the time in which the crash shows even without a word.
		v.awaitPlaying(t, killed.Add(idleTimeout+statusInterval), idleTimeout)
		if s := v.last(t); s.FragmentsMissed != missedBefore[v] {
			t.Errorf("%s missed %d fragments", v.Name, s.FragmentsMissed-missedBefore[v])
		}
		if s := v.last(t); s.hasPeerAt(feeder.udp) {
			t.Errorf("%s still has a session with the dead viewer", v.Name)
		}
	}
}
