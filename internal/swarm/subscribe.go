// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"
	"time"

	"p2plive/internal/wire"
)

// subscribe asks a neighbour to become the parent. While another one still
// pushes, the change is set to a fragment that will be cut a little later.
func (m *Machine) subscribe(tr *tree, n *neighbour, why MoveReason) {
	t, timeout := tr.track, subscribeTimeout
	from := wire.Seq(0)
	if t.begun && !t.empty() {
		from = t.newest() + 1
		switch {
		case m.orphaned(tr):
			timeout = orphanTimeout
			// Nobody pushes: what is missing comes first, and goes on down
			// the tree at once.
			from = min(max(t.low, from-min(from, catchUp)), from)
		case tr.parent != nil && tr.overdue == 0:
			lead := n.rtt + tr.parent.rtt/2 + 2*busyTick
			from += wire.Seq(min(lead/t.interval()+1, catchUp))
		}
	}
	tr.pending, tr.pendingFrom, tr.reason = n, from, why
	if tr.former == n {
		tr.former = nil
	}
	tr.pendingUntil = m.now + 2*n.rtt + timeout
	m.send(n, &wire.Subscribe{Epoch: m.epoch.Tag(), Tree: tr.id, From: from, Weight: tr.weight()})
}

func (m *Machine) onAccept(n *neighbour, msg *wire.Accept) {
	tr := m.tree(msg.Tree)
	switch {
	case tr == nil:
		m.stats.Nonsense++
		return
	case tr.pending == n, tr.parent == n:
	case tr.former == n:
		// It has crossed our good-bye. A second one would end at once what
		// the first has left to be pushed.
		return
	default:
		m.stats.Nonsense++
		m.send(n, &wire.Unsubscribe{Epoch: m.epoch.Tag(), Tree: msg.Tree})
		return
	}
	m.introduced(msg.Others, true)
	n.trees[tr.index].path = msg.Path
	path := append(slices.Clone(msg.Path), n.short)
	loop := slices.Contains(path, m.short)
	if loop || len(msg.Path) == 0 && n.role() != wire.RoleSource || len(path) > maxDepth {
		if loop {
			m.stats.Loops++
		}
		m.leave(tr, n, time.Second)
		return
	}
	if tr.pending == n {
		m.adopt(tr, n)
	}
	if tr.temporary && !msg.Temporary {
		tr.nextImprove = m.now + improveEvery
	}
	if msg.Temporary && !tr.temporary {
		tr.demoted, tr.nextTry = m.now, m.now
	}
	if msg.Temporary && tr.temporary && n.serves() && len(msg.Others) > 0 {
		// An edge names a place that is free to nobody else.
		tr.refused, tr.nextTry = 0, min(tr.nextTry, m.now+namedTime)
	}
	tr.temporary = msg.Temporary
	m.setPath(tr, path)
}

// adopt makes the pending parent the parent and leaves the old one.
func (m *Machine) adopt(tr *tree, n *neighbour) {
	if old := tr.parent; old != nil && old != n {
		m.send(old, &wire.Unsubscribe{Epoch: m.epoch.Tag(), Tree: tr.id, From: tr.pendingFrom})
		tr.former = old
	}
	m.stats.Moves[tr.reason]++
	tr.parent, tr.pending = n, nil
	tr.since, tr.from = m.now, tr.pendingFrom
	m.nextTell = min(m.nextTell, m.now+kinEvery)
	tr.overdue, tr.withheld = 0, false
	tr.pushed = 0
	tr.refused, tr.temporary = 0, false // it says so with the same message
	tr.nextImprove = m.now + improveEvery
	if tr.home {
		tr.nextImprove = m.now + improveEvery/3
	}
	// One of its children's slots is ours now.
	if rt := &n.trees[tr.index]; rt.free > 0 {
		rt.free--
	}
}

// leave gives up a parent, or a request to become one.
func (m *Machine) leave(tr *tree, n *neighbour, penalty time.Duration) {
	m.send(n, &wire.Unsubscribe{Epoch: m.epoch.Tag(), Tree: tr.id})
	n.trees[tr.index].badUntil = m.now + penalty
	if tr.pending == n {
		tr.pending = nil
	}
	if tr.parent == n {
		m.detach(tr)
	}
}

// detach leaves the tree without a parent.
func (m *Machine) detach(tr *tree) {
	tr.parent, tr.temporary = nil, false
	tr.overdue, tr.withheld = 0, false
	tr.nextTry = m.now
	m.setPath(tr, nil)
	m.hurry()
}

func (m *Machine) onRefuse(n *neighbour, msg *wire.Refuse) {
	tr := m.tree(msg.Tree)
	if tr == nil || tr.pending != n && tr.parent != n {
		m.stats.Nonsense++
		return
	}
	patient := tr.pending == n && tr.temporary && tr.parent != nil && tr.parent.serves()
	m.introduced(msg.Others, !patient)
	rt := &n.trees[tr.index]
	rt.free = 0
	penalty := refusalPenalty(msg.Reason)
	if n.serves() && m.orphaned(tr) {
		penalty = min(penalty, edgeRefused)
	}
	rt.badUntil = m.now + penalty + time.Duration(m.rng.Int64N(int64(orphanRetry)))
	if tr.pending == n {
		tr.pending = nil
		tr.nextTry = m.now
		if patient {
			tr.refused = min(tr.refused+1, 16)
			tr.nextTry += m.searchEvery(tr)
			m.nextMove = min(m.nextMove, m.now+temporaryRetry) // to be refused takes a leaf little
		}
		m.hurry()
	}
	if tr.parent == n {
		m.detach(tr)
	}
}

// refusalPenalty returns how long a peer that refused is not asked again.
func refusalPenalty(r wire.RefuseReason) time.Duration {
	switch r {
	case wire.RefuseBusy:
		return 50 * time.Millisecond
	case wire.RefuseLost, wire.RefuseEpoch:
		return 300 * time.Millisecond
	case wire.RefuseRole:
		return time.Minute
	}
	return time.Second
}
