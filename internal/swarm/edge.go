// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"bytes"
	"slices"

	"p2plive/internal/wire"
)

// An edge (and likewise a source) serves anybody at once, in a temporary
// place. It then gives few of them permanent places, spread over different
// peers, and names those to all others, who move below them.

// edgeRoom returns how many children an edge takes in a tree when a neighbour
// asks for a place. Who has just come finds less than who plays and has lost
// a parent. While its queue is long it takes nobody: children that are leaving
// still get what was cut before, and all of the swarm waits behind that queue.
//
// Whom it has known for long and who asks for what is past has lost its parent. If
// many are below it, it may take all of the uplink, and finds the queue too long later.
func (m *Machine) edgeRoom(tr *tree, n *neighbour, msg *wire.Subscribe) int {
	if m.uplink <= 0 || tr.rate() == 0 {
		return edgePlaces
	}
	share, queue := int64(uplinkShare), placeQueue
	switch newcomer := m.newcomer(n); {
	case newcomer:
		share = newcomerShare
	case msg.From > 0 && msg.From < tr.track.newest() && msg.Weight >= heavyWeight:
		queue, share = orphanQueue, 100
	}
	if m.sentAt > m.now+queue {
		return 0
	}
	room := int((m.uplink*share/100 - m.load()) / tr.rate())
	return min(tr.staying()+max(room, 0), edgePlaces)
}

// assign gives and takes permanent places.
func (m *Machine) assign() {
	role := m.childRole()
	candidates := m.candidates(role)
	capacity := m.rootCapacity(len(candidates))
	for _, tr := range m.trees {
		if !m.rooted(tr) {
			continue
		}
		if m.demoteSurplus(tr, role, capacity, candidates) {
			continue
		}
		m.fillPlaces(tr, role, capacity, candidates)
	}
	m.rebalance(role, candidates)
}

// childRole is the role of the peers that get permanent places: a source
// feeds edges, if there are any.
func (m *Machine) childRole() wire.Role {
	if m.cfg.Role == wire.RoleSource && m.count(wire.RoleEdge) > 0 {
		return wire.RoleEdge
	}
	return wire.RoleViewer
}

// candidates returns the neighbours that can carry others, and counts their places.
func (m *Machine) candidates(role wire.Role) []*neighbour {
	var list []*neighbour
	for _, n := range m.neighbours {
		n.places = 0
		if n.role() == role && n.synced && n.slotsTold && !n.leaf() && !m.suspect(n) {
			list = append(list, n)
		}
	}
	for _, tr := range m.trees {
		for _, c := range tr.children {
			if !c.temporary && !c.leaving {
				c.peer.places++
			}
		}
	}
	return list
}

// rootCapacity returns the permanent places per tree.
func (m *Machine) rootCapacity(candidates int) int {
	if m.cfg.Role == wire.RoleEdge && m.count(wire.RoleViewer) < m.cfg.Gate {
		return m.cfg.Gate
	}
	if m.cfg.EdgeChildren > 0 {
		return m.cfg.EdgeChildren
	}
	if m.cfg.Role == wire.RoleSource {
		return 1
	}
	capacity := 1 + candidates/viewersPerRoot
	if rate := m.rate(); m.uplink > 0 && rate > 0 {
		capacity = min(capacity, max(int(m.uplink*rootShare/100/rate), 1))
	}
	return capacity
}

// demoteSurplus takes a place from the child that has most of them, if there
// are more than capacity, from one that seems to be gone, or, beyond the gate,
// from one that shares nothing while others could: a place at the root is for
// those whom all others can be sent to.
func (m *Machine) demoteSurplus(tr *tree, role wire.Role, capacity int, candidates []*neighbour) bool {
	gate := m.cfg.Role == wire.RoleEdge && m.count(wire.RoleViewer) < m.cfg.Gate
	var most *child
	n := 0
	for _, c := range tr.children {
		if c.temporary || c.leaving || c.peer.role() != role {
			continue
		}
		if m.suspect(c.peer) || c.peer.leaf() && !gate && len(candidates) > 0 {
			most, n = c, capacity+1
			break
		}
		n++
		if most == nil || tr.surplus(c, most) {
			most = c
		}
	}
	if n <= capacity {
		return false
	}
	most.peer.places--
	most.temporary, most.demoted = true, m.now
	m.accept(tr, most)
	return true
}

// fillPlaces promotes children with temporary places, and offers a place to a
// neighbour that is not a child if there is none.
func (m *Machine) fillPlaces(tr *tree, role wire.Role, capacity int, candidates []*neighbour) {
	gate := m.cfg.Role == wire.RoleEdge && m.count(wire.RoleViewer) < m.cfg.Gate
	permanent, promoted := 0, false
	for _, c := range tr.children {
		if !c.temporary && !c.leaving && c.peer.role() == role {
			permanent++
		}
	}
	for permanent < capacity {
		var least *child
		for _, c := range tr.children {
			if !c.temporary || c.leaving || c.peer.role() != role || !c.peer.slotsTold ||
				c.peer.leaf() && !gate || m.suspect(c.peer) {
				continue
			}
			if least == nil || tr.betterRoot(c.peer, least.peer) {
				least = c
			}
		}
		if least == nil {
			break
		}
		least.temporary = false
		least.peer.places++
		permanent++
		promoted = true
		m.accept(tr, least)
	}
	switch {
	case permanent < capacity && !gate:
		m.offerPlace(tr, bestRoot(tr, candidates))
	case promoted, m.now >= tr.nextNames:
		tr.nextNames = m.now + nameEvery
		m.nameParents(tr)
	}
}

// vacant adds neighbours with a free place in a tree to a list, and looks at
// only so many of them: an edge may have thousands.
func (m *Machine) vacant(tr *tree, n *neighbour, infos []wire.PeerInfo) []wire.PeerInfo {
	for range min(len(m.neighbours), vacantTries) {
		o := m.neighbours[m.rng.IntN(len(m.neighbours))]
		if o == n || o.serves() || o.trees[tr.index].free == 0 || m.suspect(o) {
			continue
		}
		if slices.ContainsFunc(infos, func(i wire.PeerInfo) bool { return i.ID == o.id() }) {
			continue
		}
		if infos = append(infos, o.info()); len(infos) >= exchangeSize {
			break
		}
	}
	return infos
}

// nameParents tells children with temporary places of a neighbour that has a
// free one. No place is named to more children than it takes: the others would
// only find it full. Those that carry least are told first, since a place at an
// edge is best used by whoever carries most below it.
func (m *Machine) nameParents(tr *tree) {
	vacancies := m.vacancies(tr)
	if len(vacancies) == 0 {
		return
	}
	var seekers []*child
	for _, c := range tr.children {
		if c.temporary && !c.leaving && !c.peer.serves() {
			seekers = append(seekers, c)
		}
	}
	m.rng.Shuffle(len(seekers), func(i, j int) { seekers[i], seekers[j] = seekers[j], seekers[i] })
	slices.SortStableFunc(seekers, func(a, b *child) int { return tr.rank(a.peer) - tr.rank(b.peer) })
	for _, c := range seekers {
		i := m.nextVacancy(tr, vacancies, c.peer)
		if i < 0 {
			continue
		}
		m.send(c.peer, &wire.Accept{
			Epoch: m.epoch.Tag(), Tree: tr.id, Temporary: true, Path: tr.path,
			Others: []wire.PeerInfo{vacancies[i].peer.info()},
		})
		if vacancies[i].left--; vacancies[i].left == 0 {
			vacancies = slices.Delete(vacancies, i, i+1)
		}
	}
}

// nextVacancy returns the first vacancy in the order of ids, from the seeker's own
// on, that is not below the seeker; -1 for none. So a seeker is named the same few
// viewers in all trees: a weak line has no room for a handshake for each. After a
// while it is others, since it may not reach the first.
func (m *Machine) nextVacancy(tr *tree, vacancies []vacancy, n *neighbour) int {
	from, _ := slices.BinarySearchFunc(vacancies, n.short, func(v vacancy, id wire.PathID) int {
		return bytes.Compare(v.peer.short[:], id[:])
	})
	from += int(m.now / vacancyTurn)
	for k := range vacancies {
		i := (from + k) % len(vacancies)
		if v := vacancies[i].peer; v != n && !slices.Contains(v.trees[tr.index].path, n.short) {
			return i
		}
	}
	return -1
}

// vacancy is a viewer with free places.
type vacancy struct {
	peer *neighbour
	left int // to be named
}

// vacancies returns the viewers with free places in a tree, in the order of their ids.
func (m *Machine) vacancies(tr *tree) []vacancy {
	var list []vacancy
	for _, n := range m.neighbours {
		if free := int(n.trees[tr.index].free); free > 0 && !n.serves() && !m.suspect(n) {
			list = append(list, vacancy{n, free})
		}
	}
	slices.SortFunc(list, func(a, b vacancy) int { return bytes.Compare(a.peer.short[:], b.peer.short[:]) })
	return list
}

// betterRoot reports whether a is rather to have a permanent place than b: the
// one that carries more in this tree, and of equals the one with fewer places.
func (tr *tree) betterRoot(a, b *neighbour) bool {
	ra, rb := tr.rank(a), tr.rank(b)
	return above(ra, rb) || !above(rb, ra) && a.places < b.places
}

// surplus reports whether child a rather than b is to lose its place.
func (tr *tree) surplus(a, b *child) bool {
	ra, rb := tr.rank(a.peer), tr.rank(b.peer)
	return above(rb, ra) || !above(ra, rb) && a.peer.places > b.peer.places
}

// bestRoot returns the neighbour for a permanent place that is not a child.
func bestRoot(tr *tree, candidates []*neighbour) *neighbour {
	var best *neighbour
	for _, n := range candidates {
		if (best == nil || tr.betterRoot(n, best)) && tr.child(n) == nil {
			best = n
		}
	}
	return best
}

// offerPlace keeps a place for a neighbour for a short time and tells it.
func (m *Machine) offerPlace(tr *tree, n *neighbour) {
	if n == nil || tr.offer != nil && m.now < tr.offerEnd {
		return
	}
	if n == tr.offer {
		// It did not take it: somebody else is asked next time.
		n.places++
	}
	tr.offer, tr.offerEnd = n, m.now+offerTime
	m.tellTree(n, tr)
}

// replaceRoot offers a place to a neighbour that would carry more in a tree
// than one of those that have a place. The other loses it as a surplus.
func (m *Machine) replaceRoot(candidates []*neighbour) bool {
	for _, tr := range m.trees {
		low := m.lowestChild(tr)
		if low == nil || tr.offer != nil && m.now < tr.offerEnd {
			continue
		}
		n := bestRoot(tr, candidates)
		if n == nil || !above(tr.rank(n), tr.rank(low.peer)) {
			continue
		}
		m.offerPlace(tr, n)
		return true
	}
	return false
}

// rebalance gives places to those that carry more, and else moves one from the
// neighbour that has most of them to the one that has fewest, so that all carry
// the same share.
func (m *Machine) rebalance(role wire.Role, candidates []*neighbour) {
	if m.now < m.nextRebalance || len(candidates) < 2 {
		return
	}
	if role == wire.RoleViewer && len(candidates) > m.cfg.Gate && m.replaceRoot(candidates) {
		m.nextRebalance = m.now + rebalanceEvery
		return
	}
	var most, least *neighbour
	for _, n := range candidates {
		if most == nil || n.places > most.places {
			most = n
		}
		if least == nil || n.places < least.places {
			least = n
		}
	}
	if most.places-least.places < 2 {
		return
	}
	m.nextRebalance = m.now + rebalanceEvery
	for _, tr := range m.trees {
		from := tr.child(most)
		if from == nil || from.temporary || from.leaving {
			continue
		}
		to := tr.child(least)
		if to == nil {
			m.offerPlace(tr, least)
			return
		}
		if to.temporary && !to.leaving && to.peer.role() == role {
			to.temporary = false
			from.temporary, from.demoted = true, m.now
			m.accept(tr, to)
			m.accept(tr, from)
			return
		}
	}
}

// freeFor returns the free slots in a tree that a neighbour is told of, and
// whether somebody would be moved aside for it, by the last survey.
func (m *Machine) freeFor(tr *tree, n *neighbour) (free int, aside bool) {
	switch {
	case !m.rooted(tr):
		return 0, false
	case m.serving():
		if tr.offer == n && m.now < tr.offerEnd {
			return 1, false
		}
		if m.cfg.Role == wire.RoleEdge && n.role() == wire.RoleEdge {
			return max(edgeFanout-tr.staying(), 0), false
		}
		return 0, false
	case tr.temporary && (n.serves() || m.now-tr.since < settleTime), len(tr.path)+2 > maxDepth:
		return 0, false
	case n.serves():
		// An edge names those with free places to those that look for one.
		return tr.freeNow, false
	}
	if tr.freeNow == 0 && n.synced {
		if _, c := m.lowestSeen(tr, n); c != nil {
			return 1, true
		}
	}
	return tr.freeNow, false
}
