// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import "time"

// stepClock is a clock that stands still but for Advance.
type stepClock struct{ now time.Duration }

// NewStepped returns a network with a clock of its own, for programs that need virtual time outside tests and run
// everything on one goroutine: they Advance to the time of the Next event, read what has come with Conn.TryRead, and
// write. Blocking reads and deadlines, which wait for real time, are of no use on it.
func NewStepped(seed uint64) *Network {
	n := prepare(seed)
	n.clock = new(stepClock)
	close(n.done) // there is no goroutine to wait for
	return n
}

// Now is the time since the network's start.
func (n *Network) Now() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now()
}

// Next is when something happens in a stepped network; false: nothing is on its way.
func (n *Network) Next() (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.events) == 0 {
		return 0, false
	}
	return n.events[0].at, true
}

// Advance moves the clock of a stepped network on, and does what is due until then. It never goes back.
func (n *Network) Advance(to time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.clock == nil {
		panic("simnet: Advance is for stepped networks")
	}
	for len(n.events) > 0 && n.events[0].at <= to {
		n.clock.now = max(n.clock.now, n.events[0].at)
		n.runUntil(n.clock.now)
	}
	n.clock.now = max(n.clock.now, to)
}
