// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "p2plive/internal/wire"

// Where one viewer has gone others may have, and those that are left may have
// lost their parents too.

// orphaned reports whether nobody feeds a tree that is played from.
func (m *Machine) orphaned(tr *tree) bool {
	return tr.track.playing && (tr.parent == nil || m.silent(tr.parent))
}

// doubt estimates in milliseconds how much later what an orphan misses comes
// from a viewer that may have lost its own parent, or be gone, like the orphan's.
func (m *Machine) doubt(tr *tree, n *neighbour) int {
	cost := 0
	if id, ok := tr.firstMissing(); ok && !n.has(tr.track, id.Seq, id.Index) {
		cost += lacksCost
	}
	if tr.parent != nil && n.heard < tr.parent.heard+kinEvery {
		cost += unheardCost
	}
	return cost
}

// firstMissing returns the first piece that is missing in a tree.
func (tr *tree) firstMissing() (id wire.PieceID, ok bool) {
	t := tr.track
	for seq := t.low; seq <= t.newest(); seq++ {
		f := t.frag(seq)
		if f == nil || !f.wanted() {
			continue
		}
		for i := range f.pieces() {
			id = wire.PieceID{Track: t.info.ID, Seq: seq, Index: i}
			if !f.has(i) && t.tree(id) == tr {
				return id, true
			}
		}
	}
	return id, false
}
