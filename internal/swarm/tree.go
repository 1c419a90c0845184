// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"math/bits"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// tree is the peer's place in one substream's tree.
type tree struct {
	id    wire.Tree
	track *track
	index int

	parent    *neighbour
	former    *neighbour // the parent before, which still pushes what is older than from
	temporary bool
	path      []wire.PathID // from the source down to the parent; empty if not rooted
	since     time.Duration // when the parent was taken
	from      wire.Seq      // from which on the parent pushes
	lostPath  time.Duration // when the parent lost its path, if it has

	pending      *neighbour // asked to become the parent
	pendingFrom  wire.Seq
	pendingUntil time.Duration

	nextTry     time.Duration
	nextImprove time.Duration
	nextPromote time.Duration

	late     delayMeter // how much later than the first of its fragment a piece comes
	pushed   uint64     // the newest piece that the parent has pushed, in pushOrder
	overdue  int        // pieces that the parent has not pushed in time, in a row
	overSeen time.Duration
	withheld bool // the parent has one of them

	children  []*child
	unsorted  bool          // a neighbour's weight has changed
	freeNow   int           // how many more it takes, while neighbours are told
	nextNames time.Duration // when an edge next tells children whom to ask instead
	offer     *neighbour    // an edge's free place is kept for it
	offerEnd  time.Duration
}

// rooted reports whether the peer has a path to the source.
func (m *Machine) rooted(tr *tree) bool {
	return m.cfg.Role == wire.RoleSource || tr.parent != nil && len(tr.path) > 0
}

// keepParents looks after the peer's own place in each tree.
func (m *Machine) keepParents() {
	if m.cfg.Role == wire.RoleSource {
		return
	}
	for _, tr := range m.trees {
		if tr.pending != nil && m.now >= tr.pendingUntil {
			tr.pending.trees[tr.index].badUntil = m.now + time.Second
			tr.pending = nil
		}
		if tr.pending != nil || m.ended {
			continue
		}
		m.judgeParent(tr)
		m.seekParent(tr)
	}
}

// judgeParent replaces a parent that has fallen behind.
func (m *Machine) judgeParent(tr *tree) {
	if tr.parent == nil || tr.pending != nil {
		return
	}
	gone := m.silent(tr.parent)
	if tr.overdue == 0 && !(gone && tr.parent.serves()) {
		return
	}
	late := m.now - tr.overSeen
	switch {
	case gone:
		// Most likely it is gone, and the session does not know yet.
		m.releaseAsks(tr.parent)
	case m.starving() && late < starvingTime:
		return // the cause is above all of the parents
	case tr.withheld && tr.overdue > 1 && late > withheldAfter:
	case late > starvedAfter:
	default:
		return
	}
	bad := tr.parent
	bad.trees[tr.index].badUntil = m.now + badParentTime
	if n := m.chooseParent(tr, true); n != nil {
		m.subscribe(tr, n)
		return
	}
	// Nobody better is known: give it another chance.
	bad.trees[tr.index].badUntil = 0
	tr.overdue, tr.withheld = 0, false
}

// starving reports whether pieces are overdue in more than half of the trees.
// Something has happened far up, and all below it make up for it: to change
// parents then costs all of them uplink, and helps nobody.
func (m *Machine) starving() bool {
	n := 0
	for _, tr := range m.trees {
		if tr.overdue > 0 {
			n++
		}
	}
	return len(m.trees) > 2 && 2*n > len(m.trees)
}

// seekParent looks for a first parent, or a better one.
func (m *Machine) seekParent(tr *tree) {
	if tr.pending != nil || m.now < tr.nextTry {
		return
	}
	lost := tr.parent != nil && len(tr.path) == 0 && m.now-tr.lostPath > lostPathGrace
	switch {
	case tr.parent == nil || lost:
		if n := m.chooseParent(tr, true); n != nil {
			tr.nextTry = m.now + orphanRetry
			m.subscribe(tr, n)
		}
	case tr.temporary:
		tr.nextTry = m.now + temporaryRetry
		if tr.parent.serves() && m.now-tr.since > patientAfter {
			tr.nextTry = m.now + patientRetry + time.Duration(m.rng.Int64N(int64(patientRetry)))
		}
		if n := m.chooseParent(tr, false); n != nil && !m.tooDeep(tr, n, len(tr.path)-1) {
			m.subscribe(tr, n)
		}
	default:
		tr.nextTry = m.now + temporaryRetry
		m.improve(tr)
	}
}

// improve moves to a place that is offered, or that is much closer to the source.
func (m *Machine) improve(tr *tree) {
	if len(tr.path) == 0 {
		return
	}
	if m.cfg.Role == wire.RoleViewer && !m.cfg.Leaf && !tr.parent.serves() && !m.near(tr.parent) && m.takeOffer(tr) {
		return
	}
	if m.cfg.Role == wire.RoleEdge && tr.parent.role() == wire.RoleEdge && m.takeOffer(tr) {
		return
	}
	if m.now < tr.nextImprove {
		return
	}
	every := improveEvery
	if tr.isHome(m.short) {
		every /= 3 // others hang below, or will
	}
	tr.nextImprove = m.now + every + time.Duration(m.rng.Int64N(int64(every)))
	n := m.chooseParent(tr, false)
	if n != nil && m.near(n) && !m.near(tr.parent) {
		m.subscribe(tr, n)
		return
	}
	if m.near(tr.parent) {
		return
	}
	better := improveDepth
	if tr.isHome(m.short) {
		better = 1
	}
	if n != nil && len(n.trees[tr.index].path)+1+better <= len(tr.path) {
		m.subscribe(tr, n)
	}
}

// takeOffer moves to a place that an edge keeps for a viewer, or the source for
// an edge: each edge is to have some trees from the source itself.
func (m *Machine) takeOffer(tr *tree) bool {
	for _, n := range m.neighbours {
		if n.serves() && (n.role() == wire.RoleSource || !m.serving()) && n.trees[tr.index].free > 0 && m.eligible(tr, n) {
			m.subscribe(tr, n)
			return true
		}
	}
	return false
}

// eligible reports whether a neighbour may become the parent.
func (m *Machine) eligible(tr *tree, n *neighbour) bool {
	rt := &n.trees[tr.index]
	return n != tr.parent && n.synced && !n.leaf() && !m.suspect(n) && m.now >= rt.badUntil &&
		n.rooted(tr) && len(rt.path) < maxDepth-1 && !slices.Contains(rt.path, m.short) &&
		(n.serves() || m.cfg.Role == wire.RoleViewer) && m.fresh(tr.track, n)
}

// fresh reports whether a neighbour is not far behind in a track.
func (m *Machine) fresh(t *track, n *neighbour) bool {
	rt := &n.tracks[t.index]
	if n.serves() || !t.proven || !rt.any {
		return true
	}
	behind := time.Duration(0)
	if t.provenSeq > rt.newest {
		behind = time.Duration(t.provenSeq-rt.newest) * t.interval()
	}
	return behind < 3*haveEvery
}

// chooseParent returns the best neighbour that has a free slot. If there is
// none and lastResort is set, it returns an edge: it gives temporary places
// even when it has no slot.
func (m *Machine) chooseParent(tr *tree, lastResort bool) *neighbour {
	var best, last *neighbour
	var bestCost, lastCost int
	for _, n := range m.neighbours {
		if !m.eligible(tr, n) {
			continue
		}
		cost := m.cost(tr, n)
		if n.trees[tr.index].free > 0 {
			if best == nil || cost < bestCost {
				best, bestCost = n, cost
			}
		} else if n.serves() && m.now >= m.edgesFrom && (last == nil || cost < lastCost) {
			last, lastCost = n, cost
		}
	}
	if last != nil && lastResort && (best == nil || m.tooDeep(tr, best, len(last.trees[tr.index].path))) {
		return last
	}
	return best
}

// tooDeep reports whether a parent is so much further down than a place at
// the given depth that all those below this peer would suffer for long.
func (m *Machine) tooDeep(tr *tree, n *neighbour, depth int) bool {
	return tr.weight() >= heavyWeight && len(n.trees[tr.index].path) > depth+improveDepth
}

// cost estimates in milliseconds how late pieces would come from a neighbour.
func (m *Machine) cost(tr *tree, n *neighbour) int {
	const hop, sameParent, dice = 80, 10, 20
	if m.near(n) {
		// One copy is to enter a LAN, whatever way it takes inside.
		return hop*len(n.trees[tr.index].path) - nearBonus + m.rng.IntN(dice)
	}
	cost := hop*len(n.trees[tr.index].path) + int(n.rtt.Milliseconds()/2) + m.rng.IntN(dice)
	if !n.serves() && !tr.isHome(n.short) {
		cost += strangerCost
	}
	for _, other := range m.trees {
		// Trees with different parents do not fail together.
		if other != tr && other.parent == n {
			cost += sameParent
		}
	}
	return cost
}

// subscribe asks a neighbour to become the parent. While another one still
// pushes, the change is set to a fragment that will be cut a little later.
func (m *Machine) subscribe(tr *tree, n *neighbour) {
	t := tr.track
	from := wire.Seq(0)
	if t.begun && !t.empty() {
		from = t.newest() + 1
		switch {
		case t.playing && (tr.parent == nil || m.silent(tr.parent)):
			// Nobody pushes: what is missing comes first, and goes on down
			// the tree at once.
			from = min(max(t.low, from-min(from, catchUp)), from)
		case tr.parent != nil && tr.overdue == 0:
			lead := n.rtt + tr.parent.rtt/2 + 2*busyTick
			from += wire.Seq(min(lead/t.interval()+1, catchUp))
		}
	}
	tr.pending, tr.pendingFrom = n, from
	if tr.former == n {
		tr.former = nil
	}
	tr.pendingUntil = m.now + 2*n.rtt + subscribeTimeout
	m.send(n, &wire.Subscribe{Epoch: m.epoch.Tag(), Tree: tr.id, From: from})
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
	tr.temporary = msg.Temporary
	m.setPath(tr, path)
}

// adopt makes the pending parent the parent and leaves the old one.
func (m *Machine) adopt(tr *tree, n *neighbour) {
	if old := tr.parent; old != nil && old != n {
		m.send(old, &wire.Unsubscribe{Epoch: m.epoch.Tag(), Tree: tr.id, From: tr.pendingFrom})
		m.stats.Moves++
		tr.former = old
	}
	tr.parent, tr.pending = n, nil
	tr.since, tr.from = m.now, tr.pendingFrom
	tr.overdue, tr.withheld = 0, false
	tr.pushed = 0
	tr.nextImprove = m.now + improveEvery
	if tr.isHome(m.short) {
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
	m.introduced(msg.Others, true)
	rt := &n.trees[tr.index]
	rt.free = 0
	rt.badUntil = m.now + refusalPenalty(msg.Reason) + time.Duration(m.rng.Int64N(int64(orphanRetry)))
	if tr.pending == n {
		tr.pending = nil
		tr.nextTry = m.now
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

// setPath notes the path to the source and tells the children at once: only
// so do they notice a cycle before data stops. Viewers that wait for an edge to
// have a path hear of it in the next tick, not in its next have-map.
func (m *Machine) setPath(tr *tree, path []wire.PathID) {
	if slices.Equal(tr.path, path) {
		return
	}
	if len(path) == 0 {
		tr.lostPath = m.now
	} else if len(tr.path) == 0 && m.serving() {
		m.tellSoon()
	}
	tr.path = path
	for _, c := range tr.children {
		if !c.leaving {
			m.tellTree(c.peer, tr)
		}
	}
}

// weight returns the logarithm of the number of peers below, with this one.
func (tr *tree) weight() uint8 {
	total := uint64(1)
	for _, c := range tr.children {
		if !c.leaving {
			total += 1 << min(c.peer.trees[tr.index].weight, 40)
		}
	}
	return uint8(bits.Len64(total) - 1)
}
