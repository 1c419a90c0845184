// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "p2plive/internal/wire"

// claims sums up what the neighbours say is the newest fragment of a track. It
// goes along with the have-maps, since each of them that tells of something new
// asks for it, and all neighbours would have to be looked at.
type claims struct {
	viewers, servers int        // that have said anything
	first, second    wire.Seq   // the highest two of viewers
	by               *neighbour // who says first
	served, before   wire.Seq   // the highest of edges, and what it was one have-map before
	stale            bool       // somebody has gone
}

// add takes what a neighbour says that has not said less before; fresh tells
// that it has said nothing at all.
func (c *claims) add(n *neighbour, rt *remoteTrack, fresh bool) {
	one := 0
	if fresh {
		one = 1
	}
	if n.serves() {
		c.servers += one
		c.served, c.before = max(c.served, rt.newest), max(c.before, rt.before)
		return
	}
	c.viewers += one
	switch {
	case n == c.by:
		c.first = rt.newest
	case rt.newest > c.first:
		c.first, c.second, c.by = rt.newest, c.first, n
	default:
		c.second = max(c.second, rt.newest)
	}
}

// likelyNewest returns the newest fragment that two viewers, if there are two,
// say exists: one liar is not believed. An edge's word counts when it has been
// said for one have-map longer: the edge has what is still on its way to
// everybody else, and who takes that for late asks for it.
func (m *Machine) likelyNewest(t *track) wire.Seq {
	c := &t.claims
	if c.stale {
		*c = m.allClaims(t)
	}
	switch {
	case c.viewers > 1:
		return max(c.before, c.second)
	case c.servers == 0 && c.viewers == 1:
		return c.first
	}
	return c.served
}

// allClaims asks all neighbours.
func (m *Machine) allClaims(t *track) (c claims) {
	for _, n := range m.neighbours {
		if rt := n.track(t); rt.any {
			c.add(n, rt, true)
		}
	}
	return c
}
