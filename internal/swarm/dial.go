// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// known is a peer that could be dialled.
type known struct {
	id      wire.PeerID
	addrs   []netip.AddrPort
	after   time.Duration // not to be dialled before; while it is, when that is given up
	role    wire.Role
	tries   uint8
	dialing bool
	urgent  bool  // a possible parent
	losses  uint8 // sessions that have ended, none of which was a long one
}

// book lists the peers that could be dialled, those named last at the end.
type book struct {
	list    []known
	dialing int // of them
	// nobodyUntil is before when there is nobody to dial, unless something changes.
	nobodyUntil time.Duration
}

// changed notes that somebody may be there to be dialled.
func (b *book) changed() { b.nobodyUntil = 0 }

func (b *book) find(id wire.PeerID) *known {
	for i := range b.list {
		if b.list[i].id == id {
			return &b.list[i]
		}
	}
	return nil
}

func (b *book) add(info wire.PeerInfo, urgent bool) {
	b.changed()
	if i := slices.IndexFunc(b.list, func(k known) bool { return k.id == info.ID }); i >= 0 {
		k := b.list[i]
		k.urgent = k.urgent || urgent
		if len(info.Addrs) > 0 {
			k.addrs, k.role = info.Addrs, info.Role
		}
		b.list[i] = k
		if urgent {
			b.list = append(slices.Delete(b.list, i, i+1), k)
		}
		return
	}
	b.replace(info)
	if len(b.list) >= maxKnown {
		i := slices.IndexFunc(b.list, func(k known) bool { return !k.dialing })
		if i < 0 {
			return
		}
		b.list = slices.Delete(b.list, i, i+1)
	}
	b.list = append(b.list, known{id: info.ID, role: info.Role, addrs: info.Addrs, urgent: urgent})
}

// replace forgets who was lost at an address where somebody else is now: an edge
// that was restarted without its key. To go on dialling it would keep the new one
// waiting.
func (b *book) replace(by wire.PeerInfo) {
	b.list = slices.DeleteFunc(b.list, func(k known) bool {
		gone := k.losses > 0 && k.role == by.Role && slices.ContainsFunc(k.addrs, func(a netip.AddrPort) bool {
			return slices.Contains(by.Addrs, a)
		})
		if gone && k.dialing {
			b.dialing--
		}
		return gone
	})
}

func (b *book) forget(id wire.PeerID) {
	if k := b.find(id); k != nil {
		b.end(k)
		b.list = slices.DeleteFunc(b.list, func(k known) bool { return k.id == id })
	}
}

// dial notes that a peer is dialled.
func (b *book) dial(k *known, until time.Duration) {
	b.dialing++
	k.dialing, k.after = true, until
}

// end notes that a peer is not dialled any more.
func (b *book) end(k *known) {
	if k.dialing {
		b.dialing--
		k.dialing = false
	}
	b.changed()
}

func (b *book) connected(id wire.PeerID) {
	if k := b.find(id); k != nil {
		if k.dialing {
			k.after = 0
		}
		b.end(k)
		k.urgent, k.tries = false, 0
	}
}

// lost notes that a session with a neighbour has ended. An edge that has too
// many lets one go for each that comes: to dial it again at once would never
// end. But it lets nobody go that it feeds: then it has been restarted.
func (b *book) lost(n *neighbour, now time.Duration) {
	k := b.find(n.id())
	if k == nil || k.dialing {
		return
	}
	if fed := n.kinAt+haveEvery >= n.heard; fed || now-n.up > longSession {
		k.losses = 0
	}
	b.changed()
	k.after = now + redialAfter<<k.losses
	k.losses = min(k.losses+1, maxLosses)
}

func (b *book) failed(id wire.PeerID, now time.Duration) {
	k := b.find(id)
	if k == nil || !k.dialing {
		return
	}
	b.end(k)
	k.urgent = false
	k.after = now + dialBackoff
	if k.role == wire.RoleViewer {
		k.after = now + dialBackoff<<k.tries // there are others, while all wait for an edge
	}
	if k.tries++; k.tries >= dialTries {
		b.forget(id)
	}
}

func (b *book) addrs(id wire.PeerID) []netip.AddrPort {
	if k := b.find(id); k != nil {
		return k.addrs
	}
	return nil
}

// dialingRole returns the dials under way to peers of a role.
func (b *book) dialingRole(role wire.Role) int {
	n := 0
	for i := 0; b.dialing > 0 && i < len(b.list); i++ {
		if k := &b.list[i]; k.dialing && k.role == role {
			n++
		}
	}
	return n
}

// introduced notes peers; urgent ones might become a parent.
func (m *Machine) introduced(peers []wire.PeerInfo, urgent bool) {
	for i := range peers {
		p := &peers[i]
		if p.ID == m.cfg.Self || !p.Role.Valid() || !m.dials(p.Role) {
			continue
		}
		info := wire.PeerInfo{ID: p.ID, Role: p.Role, Addrs: slices.Clone(p.Addrs[:min(len(p.Addrs), wire.MaxAddrs)])}
		m.book.add(info, urgent && m.find(p.ID) == nil)
		m.hurryNeighbours()
	}
}

// dials reports whether peers of a role are dialled at all: whoever serves is
// dialled by those that it serves.
func (m *Machine) dials(role wire.Role) bool {
	switch m.cfg.Role {
	case wire.RoleViewer:
		return role != wire.RoleViewer || !m.cfg.EdgeOnly
	case wire.RoleEdge:
		return role != wire.RoleViewer
	}
	return role == wire.RoleEdge
}

// keepNeighbours dials, asks for more peers and tells neighbours of others.
func (m *Machine) keepNeighbours() {
	for i := 0; i < len(m.neighbours); {
		n := m.neighbours[i]
		if !m.live || !n.synced || m.now-n.heard <= deadAfter {
			i++
			continue
		}
		m.drop(n, "silent") // it is no longer in the list
		m.book.lost(n, m.now)
	}
	for i := 0; m.book.dialing > 0 && i < len(m.book.list); {
		k := &m.book.list[i]
		id := k.id
		if k.dialing && m.now >= k.after {
			m.book.failed(id, m.now)
		}
		if i < len(m.book.list) && m.book.list[i].id == id {
			i++ // it was not forgotten
		}
	}
	for m.dialOne() {
	}
	if m.cfg.Role == wire.RoleViewer && m.now >= m.nextPrune && m.count(wire.RoleViewer) > calmViewers && m.idle() == calmTick {
		m.prune()
	}
	m.wantPeers()
	m.endGrace()
	if m.now >= m.nextExchange {
		m.nextExchange = m.now + exchangeEvery/time.Duration(max(m.count(wire.RoleViewer), 1))
		m.exchange()
	}
}

// dialOne dials one peer, if one is needed and known.
func (m *Machine) dialOne() bool {
	if m.now < m.book.nobodyUntil || m.book.dialing >= dialsAtOnce {
		return false
	}
	have := m.roles // neighbours, and those being dialled
	for role := range have {
		have[role] += m.book.dialingRole(wire.Role(role))
	}
	k := m.drawKnown(&have)
	switch {
	case k == nil, m.leaf() && m.book.dialing > 0 && (k.role == wire.RoleViewer || have[wire.RoleEdge] > 0):
		return false // a weak line dials one after another, and an edge at once if it has none
	}
	if m.leaf() && k.role == wire.RoleViewer && m.fed() {
		if m.now < m.nextDial {
			return false
		}
		every := m.leafEvery(leafDialEvery)
		if m.uplink > 0 && m.uplink < leafUplink {
			every = narrowDialEvery
		}
		m.nextDial = m.now + every
	}
	if k.urgent && k.role == wire.RoleViewer && have[wire.RoleViewer] >= m.searched() && !m.prune() {
		return false
	}
	m.book.dial(k, m.now+dialTimeout)
	m.emit(Dial{Peer: wire.PeerInfo{ID: k.id, Role: k.role, Addrs: k.addrs}})
	return true
}

// drawKnown chooses whom to dial: possible parents and edges first, then anybody. A leaf
// without an edge dials that before all others: it has nobody else to ask at the last call.
func (m *Machine) drawKnown(have *roles) *known {
	var able [maxKnown]uint8
	n, most, again := 0, 0, m.nextPrune
	alone := m.leaf() && have[wire.RoleEdge] == 0
	if m.now >= again {
		again = math.MaxInt64
	}
	for i := range m.book.list {
		k := &m.book.list[i]
		if !k.dialing && m.now < k.after {
			again = min(again, k.after)
		}
		if k.dialing || m.now < k.after || !m.needs(k, have) || m.find(k.id) != nil {
			continue
		}
		urgency := 0
		switch {
		case alone && k.role == wire.RoleEdge:
			urgency = 2
		case k.urgent, k.role != wire.RoleViewer:
			urgency = 1
		}
		if urgency > most {
			n, most = 0, urgency
		}
		if urgency == most {
			able[n] = uint8(i)
			n++
		}
	}
	if n == 0 {
		m.book.nobodyUntil = again
		return nil
	}
	if most > 0 && m.leaf() && m.count(wire.RoleEdge) > 0 {
		return &m.book.list[able[n-1]] // what was named last is the likeliest to be free still
	}
	return &m.book.list[able[m.rng.IntN(n)]]
}

// searched returns how many neighbours a viewer may have that still looks for a
// parent.
func (m *Machine) searched() int {
	return min(m.maxNeighbours(), searchViewers)
}

// needs reports whether a neighbour like k is missing.
func (m *Machine) needs(k *known, have *roles) bool {
	role := k.role
	switch {
	case m.cfg.Role != wire.RoleViewer:
		return have[role] < targetServers
	case role == wire.RoleViewer && k.urgent:
		return have[role] < m.searched() || m.now >= m.nextPrune
	case role == wire.RoleViewer && m.leaf():
		return have[role] < targetLeafViewers
	case role == wire.RoleViewer:
		return have[role] < targetViewers
	case role == wire.RoleSource:
		// A source serves viewers only where there is no edge.
		return have[wire.RoleEdge] == 0 && have[role] == 0
	}
	return have[role] < targetEdges
}

// prune ends a session with a viewer that is neither parent nor child, to make
// room for one that may become a parent.
func (m *Machine) prune() bool {
	var oldest *neighbour
	for _, n := range m.neighbours {
		if !n.serves() && m.now-n.up > pruneAge && !m.near(n) && (oldest == nil || n.up < oldest.up) && !m.used(n) {
			oldest = n
		}
	}
	m.nextPrune = m.now + pruneEvery
	if m.leaf() {
		m.nextPrune = m.now + m.leafEvery(leafPruneEvery)
	}
	if oldest == nil {
		return false
	}
	m.drop(oldest, "enough neighbours")
	return true
}

// used reports whether a neighbour is a parent or child, about to be one, or still pushing as the parent before.
func (m *Machine) used(n *neighbour) bool {
	for _, tr := range m.trees {
		if tr.parent == n || tr.pending == n || tr.child(n) != nil || tr.former == n && m.now-tr.since < leavingTime {
			return true
		}
	}
	return n.asked > 0
}

// wantPeers asks the tracker when too few neighbours are left and nobody is
// known to dial.
func (m *Machine) wantPeers() {
	edges := m.count(wire.RoleEdge)
	short := edges == 0
	switch m.cfg.Role {
	case wire.RoleViewer:
		short = short || m.count(wire.RoleViewer) < fewViewers && !m.cfg.EdgeOnly
	case wire.RoleEdge:
		short = m.count(wire.RoleSource)+edges == 0
	}
	if !short || m.now < m.nextWant || !m.live && len(m.neighbours) > 0 {
		return
	}
	if slices.ContainsFunc(m.book.list, func(k known) bool { return k.dialing && k.losses == 0 }) {
		return // who was lost before may have gone for good
	}
	m.nextWant = m.now + wantEvery
	m.emit(WantPeers{N: targetViewers})
}

// endGrace lets an edge be burdened as soon as there is no viewer to wait for.
func (m *Machine) endGrace() {
	if m.cfg.Role != wire.RoleViewer || m.now >= m.edgesFrom {
		return
	}
	waiting := m.book.dialingRole(wire.RoleViewer) > 0
	for _, n := range m.neighbours {
		waiting = waiting || n.role() == wire.RoleViewer && !n.synced
	}
	if !waiting {
		m.edgesFrom = m.now
		m.hurry()
	}
}

// exchange tells one neighbour of a few others, so that the swarm holds
// together without a tracker.
func (m *Machine) exchange() {
	if m.cfg.Role != wire.RoleViewer {
		return
	}
	viewers := make([]*neighbour, 0, maxViewerNeighbours)
	for _, n := range m.neighbours {
		if !n.serves() {
			viewers = append(viewers, n)
		}
	}
	if len(viewers) < 2 {
		return
	}
	m.rng.Shuffle(len(viewers), func(i, j int) { viewers[i], viewers[j] = viewers[j], viewers[i] })
	msg := &wire.Peers{Peers: make([]wire.PeerInfo, 0, exchangeSize)}
	for _, n := range viewers[1:min(len(viewers), exchangeSize+1)] {
		msg.Peers = append(msg.Peers, n.info())
	}
	m.send(viewers[0], msg)
}

func (m *Machine) onPeers(n *neighbour, msg *wire.Peers) {
	if m.now-n.named < exchangeLimit {
		m.stats.Nonsense++
		return
	}
	n.named = m.now
	m.introduced(msg.Peers, false)
}
