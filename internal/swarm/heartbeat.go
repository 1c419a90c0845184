// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"

	"p2plive/internal/wire"
)

// tellTrees tells a neighbour what has changed in the trees. Where many are told,
// freeNow says how many children each tree can take.
func (m *Machine) tellTrees(n *neighbour, many bool) {
	var news []wire.TreeState
	due := m.now-n.beat >= beatEvery && (m.leaf() || n.serves()) || m.now-n.spoken >= kinEvery && m.keepsWarm(n)
	for _, tr := range m.trees {
		rt := &n.trees[tr.index]
		due = due || !rt.told
		free := tr.freeNow
		if !many {
			free = m.free(tr)
		}
		s := m.stateFor(tr, n, free)
		same := rt.told && (s.Free == 0) == (rt.toldFree == 0) && s.Aside == rt.toldAside && s.Weight == rt.toldWeight &&
			slices.Equal(s.Path, rt.toldPath)
		if !same {
			rt.note(s)
			if news == nil {
				news = make([]wire.TreeState, 0, len(m.trees))
			}
			news = append(news, s)
		}
	}
	if len(news) > 0 || due || len(m.trees) == 0 && !n.synced {
		n.beat = m.now
		m.send(n, &wire.Heartbeat{Epoch: m.epoch.Tag(), Slots: uint16(min(m.slots(), 1<<16-1)), Trees: news})
	}
}

// tellTree tells a neighbour of one tree at once.
func (m *Machine) tellTree(n *neighbour, tr *tree) {
	s := m.stateFor(tr, n, m.free(tr))
	n.trees[tr.index].note(s)
	m.send(n, &wire.Heartbeat{
		Epoch: m.epoch.Tag(), Slots: uint16(min(m.slots(), 1<<16-1)), Trees: []wire.TreeState{s},
	})
}

func (rt *remoteTree) note(s wire.TreeState) {
	rt.told, rt.toldFree, rt.toldAside, rt.toldWeight, rt.toldPath = true, s.Free, s.Aside, s.Weight, s.Path
}

// stateFor returns what a neighbour needs to know of a tree: paths only if it
// might become a child, the weight only if it is the parent.
func (m *Machine) stateFor(tr *tree, n *neighbour, free int) wire.TreeState {
	free, aside := m.freeFor(tr, n, free)
	s := wire.TreeState{Tree: tr.id, Free: uint8(min(free, wire.MaxFree)), Aside: aside}
	if m.serving() || !n.serves() {
		s.Path = tr.path
	}
	if tr.parent == n || tr.pending == n {
		s.Weight = tr.weight()
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
		tr.unsorted = tr.unsorted || rt.weight != s.Weight
		rt.free, rt.aside, rt.weight, rt.path = s.Free, s.Aside, s.Weight, s.Path
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
