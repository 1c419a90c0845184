// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "time"

// heldUp looks whether the peer's own machine had no time for it: the tick that
// was asked for is late, and what the neighbours have sent meanwhile waits to
// be read. Nobody is to be blamed for that time, so all that waits for somebody
// waits that much longer.
func (m *Machine) heldUp() {
	late := m.now - m.wakeAt
	if m.asleep || late < heldUpMin || late > heldUpMax {
		return
	}
	for _, n := range m.neighbours {
		n.heard += late
	}
	for _, tr := range m.trees {
		tr.pendingUntil += late
		tr.overSeen += late
		tr.lostPath += late
		tr.offerEnd += late
		for _, c := range tr.children {
			c.demoted += late
		}
	}
	for _, t := range m.tracks {
		t.heldUp(late)
	}
}

func (t *track) heldUp(late time.Duration) {
	for i := t.frags.len() - 1; i >= 0 && t.frags.at(i).seq >= t.low; i-- {
		f := t.frags.at(i)
		if f.complete() {
			continue
		}
		f.seen += late
		f.open.proved += late
		for j := range f.open.asks {
			a := &f.open.asks[j]
			a.at, a.until, a.gap = a.at+late, a.until+late, moved(a.gap, late)
		}
	}
}

// moved is a time that is 0 where there is none.
func moved(at, by time.Duration) time.Duration {
	if at == 0 {
		return 0
	}
	return at + by
}
