// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"

	"p2plive/internal/wire"
)

// told is what a neighbour was told of the peer's place in a tree.
type told struct {
	path   uint32 // its number, 0 where paths are not told
	free   uint8
	weight uint8
	aside  bool // somebody would be moved aside for the free place
	any    bool
}

// same reports whether there is nothing new in s. How many places are free does
// not matter as long as there is one, but to edges, which name them, if they have become
// twice as many.
func (t *told) same(s *told, edge bool) bool {
	return t.any && t.path == s.path && t.weight == s.weight && t.aside == s.aside && (t.free == 0) == (s.free == 0) &&
		!(edge && s.free >= 2*max(t.free, 1))
}

// tellTrees tells a neighbour what has changed in the trees since the survey.
func (m *Machine) tellTrees(n *neighbour) {
	m.tellNews(n, (m.leaf() || n.serves()) && m.now-n.beat >= beatEvery)
}

// tellNews does so, and says that there is nothing new if it is due to say something.
func (m *Machine) tellNews(n *neighbour, due bool) {
	// Who is taken to carry others is taken for dead where it says as little as a leaf does.
	due = due || n.toldLeaf != m.leaf()
	var news []wire.TreeState
	var s told
	for _, tr := range m.trees {
		old := n.toldOf(tr)
		m.stateFor(&s, tr, n)
		due = due || !old.any
		if old.same(&s, n.serves()) {
			continue
		}
		*old = s
		if news == nil {
			news = make([]wire.TreeState, 0, len(m.trees))
		}
		news = append(news, tr.state(s))
	}
	if len(news) > 0 || due || len(m.trees) == 0 && !n.synced {
		n.beat, n.toldLeaf = m.now, m.leaf()
		m.send(n, &wire.Heartbeat{Epoch: m.epoch.Tag(), Slots: uint16(min(m.slots(), 1<<16-1)), Trees: news})
	}
}

// tellTree tells a neighbour of one tree at once.
func (m *Machine) tellTree(n *neighbour, tr *tree) {
	m.survey()
	var s told
	m.stateFor(&s, tr, n)
	*n.toldOf(tr) = s
	m.send(n, &wire.Heartbeat{
		Epoch: m.epoch.Tag(), Slots: uint16(min(m.slots(), 1<<16-1)), Trees: []wire.TreeState{tr.state(s)},
	})
}

// survey looks how many children each tree takes, and which one would make
// room for another: the same for all neighbours that are told.
func (m *Machine) survey() {
	if m.serving() {
		return // it has places by other rules
	}
	children, load := m.children(), m.load()
	for _, tr := range m.trees {
		tr.freeNow, tr.lowestNow = m.freeBeside(tr, children, load), m.lowestChild(tr)
	}
}

// stateFor sets s to what a neighbour needs to know of a tree: paths only if it
// might become a child, the weight only if it is the parent.
// To return it, its fields would have to be put together, which takes longer than all
// of the rest.
func (m *Machine) stateFor(s *told, tr *tree, n *neighbour) {
	free, aside := m.freeFor(tr, n)
	s.free, s.aside, s.any = uint8(min(free, wire.MaxFree)), aside, true
	s.path, s.weight = 0, 0
	if m.serving() || !n.serves() {
		s.path = tr.pathNumber
	}
	if tr.parent == n || tr.pending == n {
		s.weight = tr.weight()
	}
}

// state is how a neighbour is told.
func (tr *tree) state(t told) wire.TreeState {
	s := wire.TreeState{Tree: tr.id, Free: t.free, Aside: t.aside, Weight: t.weight}
	if t.path > 0 {
		s.Path = tr.path
	}
	return s
}

func (m *Machine) onHeartbeat(n *neighbour, msg *wire.Heartbeat) {
	n.slots, n.slotsTold = msg.Slots, true
	for i := range msg.Trees {
		s := &msg.Trees[i]
		tr := m.tree(s.Tree)
		if tr == nil {
			m.stats.Nonsense++
			continue
		}
		rt := &n.trees[tr.index]
		rt.free, rt.aside, rt.path = s.Free, s.Aside, s.Path
		if c := tr.child(n); c != nil && c.weight != s.Weight {
			c.weight, tr.unsorted = s.Weight, true
		}
		if tr.parent == n {
			m.parentMoved(tr, n, s.Path)
		} else if tr.parent == nil && tr.pending == nil {
			m.nextWork = min(m.nextWork, m.now+busyTick/4)
		}
	}
}

// parentMoved follows a parent's new path, and leaves it if the path leads
// back to us: two peers have moved at the same time.
func (m *Machine) parentMoved(tr *tree, n *neighbour, path []wire.PathID) {
	switch {
	case slices.Contains(path, m.short):
		m.stats.Loops++
		m.leave(tr, n, orphanRetry)
	case len(path) == 0 && n.role() != wire.RoleSource:
		m.setPath(tr, nil)
	case len(path) >= maxDepth:
		m.leave(tr, n, orphanRetry)
	default:
		m.setPath(tr, append(slices.Clone(path), n.short))
	}
}
