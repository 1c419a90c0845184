// SPDX-License-Identifier: GPL-3.0-or-later

package proc

import (
	"testing"
	"time"
)

// pollInterval is how often a condition outside this process is looked at.
const pollInterval = 50 * time.Millisecond

// Eventually waits until check returns nil. It ends the test with check's last
// error when that has not happened within the time given.
func Eventually(tb testing.TB, within time.Duration, what string, check func() error) {
	tb.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			tb.Fatalf("%s: not within %v: %v", what, within, err)
		}
	}
}
