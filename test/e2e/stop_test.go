// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"fmt"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// atOnce is when peers have to know that somebody has left in order: a message
// and one line of --json, far below idleTimeout.
const atOnce = 2 * time.Second

// TestStop ends each role with SIGTERM, the exit code of which Stop checks,
// and looks at what the others know of it.
func TestStop(t *testing.T) {
	t.Parallel()
	n := checked(t).network("demo")
	viewers := n.viewers(3)
	leaver, rest := viewers[0], viewers[1:]

	// All three know each other, and all have the edge.
	for _, v := range rest {
		v.await(t, time.Time{}, playTime, "has a session with the viewer that will leave",
			func(s status) bool { return s.hasPeerAt(leaver.udp) && s.hasPeerAt(n.edge.udp) })
	}

	leaver.Stop()
	stopped := time.Now()
	if s := leaver.last(t); !s.Final {
		t.Errorf("the last line of a stopped viewer is not final: %+v", s)
	}
	for _, v := range rest {
		v.await(t, stopped, atOnce, "has let go of the viewer that left",
			func(s status) bool { return !s.hasPeerAt(leaver.udp) })
	}
	proc.Eventually(t, atOnce, "the tracker knows that a viewer has left", func() error {
		s, err := streamOf(n.url)
		if err == nil && s.Viewers != len(rest) {
			err = fmt.Errorf("%d viewers", s.Viewers)
		}
		return err
	})

	n.edge.Stop()
	stopped = time.Now()
	for _, v := range rest {
		v.await(t, stopped, atOnce, "has let go of the edge", func(s status) bool { return !s.hasRole("edge") })
	}
	n.edge.restart()
	again := time.Now()
	for _, v := range rest {
		v.awaitPlaying(t, again, recovery+seenWithin)
	}

	n.source.Stop()
	stopped = time.Now()
	for _, v := range rest {
		v.await(t, stopped, atOnce, "knows that the broadcast has ended", func(s status) bool { return s.State == "ended" })
	}

	n.tracker.Stop()
	for _, v := range rest {
		v.WaitLine(startTime, "tracker is away")
	}
}
