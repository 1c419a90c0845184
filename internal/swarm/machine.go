// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "time"

// Machine is the swarm's logic for one peer in one stream. It is not safe for
// use by several goroutines at once.
type Machine struct {
	cfg   Config
	stats Stats
	out   []Command
}

// New returns the machine of a peer that knows nobody yet.
func New(cfg Config) *Machine { return &Machine{cfg: cfg.withDefaults()} }

// Handle takes an event at the given time, counted from any fixed moment and
// never going back, and returns what is to be done, in order.
func (m *Machine) Handle(now time.Duration, ev Event) []Command {
	m.out = nil
	return m.out
}

// Stats returns the machine's counters and its place in the trees.
func (m *Machine) Stats() Stats { return m.stats }
