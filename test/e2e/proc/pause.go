// SPDX-License-Identifier: GPL-3.0-or-later

package proc

import "time"

// PauseLimit is how long the machine may let a process wait for a core while
// it measures: half of what a player buffers. Beyond it, the machine is what
// is measured.
const PauseLimit = 75 * time.Millisecond

// LongestPause runs f and returns how late a goroutine that wanted to wake up
// every few milliseconds meanwhile was at most.
func LongestPause(f func()) time.Duration {
	const interval = 5 * time.Millisecond
	done, result := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		var longest time.Duration
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-tick.C:
				longest = max(longest, time.Since(last)-interval)
				last = time.Now()
			case <-done:
				result <- longest
				return
			}
		}
	}()
	func() {
		defer close(done) // f may end the test
		f()
	}()
	return <-result
}
