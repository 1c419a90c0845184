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
	// in bytes: a store still fills during its first 30 s, and the Go runtime
	// gives memory back late. A goroutine for each of 10,000 datagrams, or a
	// few hundred connections that are kept, are more. The race detector
	// multiplies memory.
	growth = 8 << 20
	// fileGrowth is the same for open files and sockets.
	fileGrowth = 4
)

// allowedGrowth is growth for the build under test.
func allowedGrowth() int64 {
	if proc.RaceEnabled {
		return 3 * growth
	}
	return growth
}

// usage is what processes hold at one moment.
type usage map[*proc.Process]held

type held struct {
	rss   int64
	files int
}

func measure(nodes ...*node) usage {
	u := make(usage)
	for _, n := range nodes {
		u[n.Process] = held{n.RSS(), n.OpenFiles()}
	}
	return u
}

// checkGrowth wants that no process has grown by more than allowed since.
func (u usage) checkGrowth(t *testing.T) {
	t.Helper()
	for p, before := range u {
		now := held{p.RSS(), p.OpenFiles()}
		t.Logf("%s: %d KiB, %+d KiB; %d files, %+d", p.Name,
			now.rss>>10, (now.rss-before.rss)>>10, now.files, now.files-before.files)
		if now.rss-before.rss > allowedGrowth() {
			t.Errorf("%s has grown from %d to %d KiB", p.Name, before.rss>>10, now.rss>>10)
		}
		if now.files-before.files > fileGrowth {
			t.Errorf("%s has gone from %d to %d open files", p.Name, before.files, now.files)
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
	n := checked(t).network("demo")
	viewers := n.viewers(3)

	const crashes = 4
	var before usage
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
	n := fast(t).network("demo")
	viewers := n.viewers(5)

	var feeder *viewer
	proc.Eventually(t, playTime, "a viewer feeds others", func() error {
		feeder = busiest(t, viewers)
		if feeder == nil {
			return errors.New("no viewer has sent anything to another in the last second")
		}
		return nil
	})
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

// busiest returns the viewer that has given most to others between its last
// two statuses, nil if none has given anything.
func busiest(t *testing.T, viewers []*viewer) (best *viewer) {
	t.Helper()
	var most int64
	for _, v := range viewers {
		all := v.statuses(t)
		if len(all) < 2 {
			continue
		}
		if given := all[len(all)-1].bytesOut() - all[len(all)-2].bytesOut(); given > most {
			best, most = v, given
		}
	}
	return best
}
