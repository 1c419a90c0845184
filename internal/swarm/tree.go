// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"math/bits"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// tree is the peer's place in one substream's tree. What each tick looks at
// stands first, then what it tells, then what pieces touch.
type tree struct {
	parent    *neighbour
	pending   *neighbour // asked to become the parent
	children  []*child
	nextTry   time.Duration
	overdue   int  // pieces that the parent has not pushed in time, in a row
	withheld  bool // the parent has one of them
	temporary bool
	unsorted  bool       // a child's weight has changed
	home      bool       // here the peer carries as many others as it can
	refused   uint8      // how often another place was refused since the place became a temporary one
	reason    MoveReason // why pending was asked

	path        []wire.PathID // from the source down to the parent; empty if not rooted
	pathNumber  uint32        // how many paths there were
	id          wire.Tree
	index       int
	track       *track
	since       time.Duration // when the parent was taken
	nextPromote time.Duration

	late        delayMeter // how much later than the first of its fragment a piece comes
	pushed      uint64     // the newest piece that the parent has pushed, in pushOrder
	nextImprove time.Duration
	from        wire.Seq // from which on the parent pushes
	pendingFrom wire.Seq
	freeNow     int    // how many more it takes, as the last survey saw it
	lowestNow   *child // and the child that would make room

	former       *neighbour    // the parent before, which still pushes what is older than from
	demoted      time.Duration // when its place became a temporary one
	lostPath     time.Duration // when the parent lost its path, if it has
	pendingUntil time.Duration
	overSeen     time.Duration
	nextNames    time.Duration // when an edge next tells children whom to ask instead
	offer        *neighbour    // an edge's free place is kept for it
	offerEnd     time.Duration
}

// rooted reports whether the peer has a path to the source.
func (m *Machine) rooted(tr *tree) bool {
	return m.cfg.Role == wire.RoleSource || tr.parent != nil && len(tr.path) > 0
}

// fed reports whether there is a parent in each tree.
func (m *Machine) fed() bool {
	return !slices.ContainsFunc(m.trees, func(tr *tree) bool { return tr.parent == nil })
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
		if tr.parent != nil && tr.pending == nil {
			m.nextWork = min(m.nextWork, max(m.silentAt(tr.parent)+1, m.now+busyTick))
		}
	}
}

// judgeParent replaces a parent that has fallen behind.
func (m *Machine) judgeParent(tr *tree) {
	if tr.parent == nil || tr.pending != nil {
		return
	}
	gone := m.silent(tr.parent)
	if tr.overdue == 0 && !gone {
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
	if n := m.chooseParent(tr, true, false); n != nil {
		reason := MoveLate
		if gone {
			reason = MoveSilent
		}
		m.subscribe(tr, n, reason)
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
		if n := m.chooseParent(tr, true, false); n != nil {
			tr.nextTry = m.now + orphanRetry
			reason := MoveFirst
			if lost {
				reason = MoveLost
			}
			m.subscribe(tr, n, reason)
		}
	case tr.temporary:
		if m.leaf() && tr.parent.serves() && m.now < m.nextMove {
			tr.nextTry = m.nextMove
			return
		}
		tr.nextTry = m.now + m.searchEvery(tr)
		// A viewer's temporary place ends, whatever else there is.
		leaving := !tr.parent.serves() && m.now-tr.demoted > searchTime
		if n := m.chooseParent(tr, leaving, false); n != nil && (leaving || !m.tooDeep(tr, n, len(tr.path)-1)) {
			m.nextMove = m.now + m.leafEvery(leafMoveEvery)
			m.subscribe(tr, n, MoveTemporary)
		}
	default:
		tr.nextTry = m.now + temporaryRetry
		m.improve(tr)
	}
}

// searchEvery returns how often a child in a temporary place looks for another.
// An edge's place works as well as any: where uplinks are short there is nothing
// better, and every refusal doubles the time until it is tried again.
func (m *Machine) searchEvery(tr *tree) time.Duration {
	every := temporaryRetry
	if tr.parent.serves() && m.now-tr.since > patientAfter {
		every = patientRetry
	}
	if tr.parent.serves() {
		every = min(every<<tr.refused, maxSearchRetry)
	}
	return every + time.Duration(m.rng.Int64N(int64(every)))
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
	if tr.home {
		every /= 3 // others hang below, or will
	}
	tr.nextImprove = m.now + every + time.Duration(m.rng.Int64N(int64(every)))
	n := m.chooseParent(tr, false, true)
	if n != nil && m.near(n) && !m.near(tr.parent) {
		m.subscribe(tr, n, MoveNear)
		return
	}
	if m.near(tr.parent) {
		return
	}
	better := improveDepth
	if tr.home {
		better = 1
	}
	if n != nil && len(n.trees[tr.index].path)+1+better <= len(tr.path) {
		m.subscribe(tr, n, MoveCloser)
	}
}

// takeOffer moves to a place that an edge keeps for a viewer, or the source for
// an edge: each edge is to have some trees from the source itself.
func (m *Machine) takeOffer(tr *tree) bool {
	for _, n := range m.neighbours {
		if n.serves() && (n.role() == wire.RoleSource || !m.serving()) && n.trees[tr.index].free > 0 && m.eligible(tr, n) {
			m.subscribe(tr, n, MoveOffered)
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
	rt := n.track(t)
	if n.serves() || !t.proven || !rt.any {
		return true
	}
	behind := time.Duration(0)
	if t.provenSeq > rt.newest {
		behind = time.Duration(t.provenSeq-rt.newest) * t.interval()
	}
	return behind < 3*haveEvery
}

// chooseParent returns the best neighbour that has a free place; with aside,
// also one that would move somebody aside. If there is none and lastResort is
// set, it returns an edge, which gives temporary places even when it has none,
// and only then one that would move somebody: that one needs a place as well. An
// orphan with others below it takes such a place if the free one is further down.
func (m *Machine) chooseParent(tr *tree, lastResort, aside bool) *neighbour {
	var best, last, moving candidate
	orphan := m.orphaned(tr)
	for _, n := range m.neighbours {
		rt := &n.trees[tr.index]
		if rt.free == 0 && !n.serves() || !m.eligible(tr, n) {
			continue
		}
		cost := m.cost(tr, n)
		if orphan && !n.serves() {
			if m.quiet(n) {
				continue
			}
			cost += m.doubt(tr, n)
		}
		switch {
		case rt.free > 0 && (!rt.aside || aside || m.near(n)):
			best.take(n, cost)
		case rt.free > 0:
			moving.take(n, cost)
		case m.now >= m.edgesFrom:
			last.take(n, cost)
		}
	}
	if !lastResort {
		return best.n
	}
	if last.n != nil && (best.n == nil || m.tooDeep(tr, best.n, len(last.n.trees[tr.index].path))) {
		return last.n
	}
	if best.n == nil || moving.n != nil && orphan && tr.weight() >= aheadWeight &&
		len(best.n.trees[tr.index].path) > len(moving.n.trees[tr.index].path)+1 {
		return moving.n
	}
	return best.n
}

// candidate is the cheapest neighbour so far.
type candidate struct {
	n    *neighbour
	cost int
}

func (c *candidate) take(n *neighbour, cost int) {
	if c.n == nil || cost < c.cost {
		c.n, c.cost = n, cost
	}
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
	tr.pathNumber++
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
			total += 1 << min(c.weight, 40)
		}
	}
	return uint8(bits.Len64(total) - 1)
}
