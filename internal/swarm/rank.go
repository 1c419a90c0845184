// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"encoding/binary"
	"slices"

	"p2plive/internal/wire"
)

// Each viewer has a home tree in every track. There it spends all of its
// uplink, and in the other trees it is a leaf as long as others can carry
// them, as in SplitStream. So trees are wide where they have inner nodes at
// all, and few hops deep. The home follows from the peer's id: everybody knows
// everybody's without a word.

// home returns the substream of a track, of k, in which a peer carries others.
func home(p wire.PathID, track wire.TrackID, k int) wire.Substream {
	// Ids are public keys, but a few bits of a small product are not to
	// depend on how they were made: mix them first.
	x := (binary.BigEndian.Uint64(p[:]) ^ uint64(track)<<56) * 0x9e3779b97f4a7c15
	return wire.Substream((x ^ x>>32) * 0xd6e8feb86659fd93 >> 32 % uint64(k))
}

// isHome reports whether a tree is a peer's home.
func (tr *tree) isHome(p wire.PathID) bool {
	return home(p, tr.id.Track, len(tr.track.trees)) == tr.id.Substream
}

// rank says how well a place near the source is used by a neighbour: by how
// many others it can carry in this tree. Free riders come last.
func (tr *tree) rank(n *neighbour) int {
	switch {
	case n.serves():
		return 1 << 16
	case n.leaf():
		return -1
	case tr.isHome(n.short):
		return int(n.slots)
	}
	return 0
}

// above reports whether one rank is so much higher than another that it is
// worth moving peers for. Measured uplinks differ without a reason.
func above(rank, other int) bool { return rank > other && rank >= 2*other }

// near reports whether a neighbour is a viewer in the same LAN, or as close as
// if it were.
func (m *Machine) near(n *neighbour) bool {
	return n.rtt > 0 && n.rtt < nearRTT && !n.serves() && !m.serving()
}

// lowest returns the child that makes room for a neighbour, and its tree, or
// nil: one that can carry less in this tree; or, if this is the peer's home and
// all of its uplink is spent, one in a tree where it only helps out. Those in
// the same LAN come before all others, so that one copy enters it. For others that
// have just come one is moved at a time, and nobody who has just come; who is
// known for longer may have lost its parent, and cannot wait.
func (m *Machine) lowest(tr *tree, n *neighbour) (*tree, *child) {
	m.survey()
	return m.lowestSeen(tr, n)
}

// lowestSeen does so by the last survey.
func (m *Machine) lowestSeen(tr *tree, n *neighbour) (*tree, *child) {
	near := m.near(n)
	if !near && m.crowded() && m.newcomer(n) {
		return nil, nil
	}
	movable := func(c *child) bool {
		return c != nil && (near || m.now-c.demoted >= movedAgain || !m.newcomer(n))
	}
	if c := tr.lowestNow; movable(c) && (near || above(tr.rank(n), tr.rank(c.peer))) {
		return tr, c
	}
	if n.leaf() || !near && !tr.home {
		return nil, nil
	}
	var in *tree
	var least *child
	for _, other := range m.trees {
		if other == tr || !near && other.home {
			continue
		}
		c := other.lowestNow
		if movable(c) && (least == nil || c.weight < least.weight) {
			in, least = other, c
		}
	}
	return in, least
}

// newcomer reports whether a neighbour has just come.
func (m *Machine) newcomer(n *neighbour) bool { return m.now-n.up < newcomerTime }

// crowded reports whether the uplink has no room for one more child, be it for
// as long as another one needs to find its new place: somebody is on the way out
// already. The queue would grow, and all further down wait behind it.
func (m *Machine) crowded() bool {
	for _, tr := range m.trees {
		if slices.ContainsFunc(tr.children, func(c *child) bool { return c.temporary && !c.leaving }) {
			return true
		}
	}
	return false
}

// lowestChild returns the child with the lowest rank, and of those with the
// fewest peers below it. Peers in the same LAN stay.
func (m *Machine) lowestChild(tr *tree) *child {
	var least *child
	lowest := 0
	for _, c := range tr.children {
		if c.temporary || c.leaving || m.near(c.peer) {
			continue
		}
		if rank := tr.rank(c.peer); least == nil || rank < lowest || rank == lowest && c.weight < least.weight {
			least, lowest = c, rank
		}
	}
	return least
}
