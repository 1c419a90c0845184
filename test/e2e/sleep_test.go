// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// TestSleep: a viewer that was stopped for longer than anybody waits for it, as a laptop is whose lid was closed, plays
// on soon after.
func TestSleep(t *testing.T) {
	t.Parallel()
	n := checked(t).network("demo")
	viewers := n.viewers(3)
	sleeper := viewers[0]
	if err := syscall.Kill(sleeper.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	proc.Eventually(t, startTime, "the others have let it go", func() error {
		for _, v := range viewers[1:] {
			v.awaitPlaying(t, time.Now(), startTime)
		}
		all := viewers[1].statuses(t)
		if all[len(all)-1].hasPeerAt(sleeper.udp) {
			return errors.New("there is a session still")
		}
		return nil
	})
	if err := syscall.Kill(sleeper.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	sleeper.awaitPlaying(t, time.Now(), startTime)
}
