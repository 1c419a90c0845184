// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "time"

// Nobody says that it has died. A parent and its child are never without a word
// from each other for long, so that both notice it soon.

// keepsWarm reports whether a neighbour is now never left without a word for
// long: where one feeds the other, both notice soon when one of them goes.
func (m *Machine) keepsWarm(n *neighbour) bool { return n.kinAt == m.now && m.chatty(n) }

// chatty reports whether a neighbour, if it is a parent or child, hears
// something every kinEvery and says as much. Leaves have little uplink to say
// it with, and those that serve have their own pace among each other.
func (m *Machine) chatty(n *neighbour) bool {
	return !m.leaf() && !n.leaf() && (n.slotsTold || n.serves()) && !(m.serving() && n.serves())
}

// silent reports whether a neighbour that plays has stopped to talk.
func (m *Machine) silent(n *neighbour) bool { return m.now > m.silentAt(n) }

// silentAt returns when a neighbour is silent that says nothing until then.
func (m *Machine) silentAt(n *neighbour) time.Duration {
	after := silentAfter
	switch {
	case m.serving() && n.serves():
		after = silentServerAfter
	case n.serves() && m.feeds(n):
		after = silentEdgeAfter
		if m.leaf() {
			after += leafHaveEvery - haveEvery
		}
	case m.leaf():
		after += leafHaveEvery - kinEvery // it only gets have-maps
	}
	return n.heard + after + n.rtt/2
}

// suspect reports whether a neighbour has been silent for too long. Edges and
// leaves have little to say, but an edge that is a parent pushes all the time.
func (m *Machine) suspect(n *neighbour) bool {
	quiet := m.now - n.heard
	if quiet <= suspectAfter || quiet <= suspectAfter+leafHaveEvery-haveEvery && m.leaf() {
		return false
	}
	if m.serving() || n.leaf() || n.serves() && !m.feeds(n) {
		return quiet > suspectEdgeAfter
	}
	return true
}

// quiet reports whether a viewer has said nothing for longer than live ones do.
func (m *Machine) quiet(n *neighbour) bool {
	after := quietAfter
	if m.leaf() {
		after += leafHaveEvery - haveEvery
	}
	return m.now-n.heard > after
}
