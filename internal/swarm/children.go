// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"
	"time"

	"p2plive/internal/wire"
)

// child is a neighbour to which a tree's pieces are pushed.
type child struct {
	peer      *neighbour
	from      wire.Seq
	weight    uint8 // logarithm of the number of peers below it, with itself
	temporary bool
	demoted   time.Duration // when its place was given, or became a temporary one

	silent  bool // it seems to be gone
	leaving bool
	until   wire.Seq      // nothing from here on, if leaving
	owed    wire.Seq      // what is older was promised when it left the time before
	left    time.Duration // when it said so
}

func (tr *tree) child(n *neighbour) *child {
	for _, c := range tr.children {
		if c.peer == n {
			return c
		}
	}
	return nil
}

func (tr *tree) removeChild(n *neighbour) {
	tr.children = slices.DeleteFunc(tr.children, func(c *child) bool { return c.peer == n })
}

// staying returns the number of children that have not said good-bye and do
// not seem to be gone.
func (tr *tree) staying() int {
	n := 0
	for _, c := range tr.children {
		if !c.leaving && !c.silent {
			n++
		}
	}
	return n
}

// push sends a piece that has just come to the children of its tree, those
// with the most peers below them first.
func (m *Machine) push(t *track, id wire.PieceID) {
	for _, c := range t.tree(id).children {
		if c.wants(id.Seq) {
			m.sendPiece(c.peer, t, id, wire.Push)
		}
	}
}

// wants reports whether a fragment's pieces are pushed to the child. While it
// is silent they are not: others need the uplink that it has left.
func (c *child) wants(seq wire.Seq) bool {
	return !c.silent && (seq >= c.from || seq < c.owed) && (!c.leaving || seq < c.until)
}

func (m *Machine) onSubscribe(n *neighbour, msg *wire.Subscribe) {
	tr := m.tree(msg.Tree)
	if tr == nil {
		m.send(n, &wire.Refuse{Epoch: msg.Epoch, Tree: msg.Tree, Reason: wire.RefuseEpoch})
		return
	}
	c := tr.child(n)
	if c != nil {
		c.weight = msg.Weight
	}
	if reason := m.refusal(tr, n, msg); reason != 0 {
		// It takes this for a full house until it is told of free places again.
		n.toldOf(tr).any = false
		m.send(n, &wire.Refuse{Epoch: msg.Epoch, Tree: msg.Tree, Reason: reason, Others: m.others(tr, n)})
		return
	}
	if c == nil {
		c = &child{peer: n, weight: msg.Weight, temporary: m.firstPlace(tr, n)}
		if !m.serving() && m.free(tr) == 0 {
			m.displace(tr, n)
		}
		tr.children = append(tr.children, c)
	} else if c.leaving || c.silent {
		if c.leaving {
			c.owed = c.until // it comes back before all of that was pushed
		}
		c.silent = false
		c.leaving, c.temporary = false, m.firstPlace(tr, n)
	}
	c.from, c.demoted = msg.From, m.now
	m.nextTell = min(m.nextTell, m.now+kinEvery)
	tr.sortChildren()
	m.accept(tr, c)
	m.catchUp(tr, c)
	m.nextAssign = min(m.nextAssign, m.now+idleTick)
}

// refusal returns why a neighbour that asks for a place is not taken as a child, or 0.
func (m *Machine) refusal(tr *tree, n *neighbour, msg *wire.Subscribe) wire.RefuseReason {
	old := tr.child(n)
	again := old != nil && !old.leaving
	switch {
	case m.cfg.Leaf:
		return wire.RefuseFull
	case n.role() == wire.RoleSource, m.cfg.Role == wire.RoleViewer && n.serves():
		return wire.RefuseRole
	case m.cfg.Role == wire.RoleSource && !n.serves() && m.count(wire.RoleEdge) > 0:
		return wire.RefuseRole
	case !m.rooted(tr):
		return wire.RefuseLost
	case tr.parent == n, slices.Contains(tr.path, n.short):
		return wire.RefuseLoop
	case tr.pending != nil && tr.pending.role() == n.role():
		// Both might move at once, below each other.
		return wire.RefuseBusy
	case len(tr.path)+2 > maxDepth:
		return wire.RefuseFull
	case again:
		return 0
	case m.hurried() && m.newcomer(n):
		return wire.RefuseBusy
	case m.serving() && tr.staying() >= m.edgeRoom(tr, n, msg):
		return wire.RefuseFull
	case !m.serving() && m.free(tr) == 0:
		if _, c := m.lowest(tr, n); c == nil {
			return wire.RefuseFull
		}
	}
	return 0
}

// hurried reports whether a viewer has so much to send that who has just come is
// to look for a place elsewhere: what a newcomer is sent first, in all trees, is
// most of a second of a home line, and all below wait behind it. Slow lines take
// as long for a piece or two.
func (m *Machine) hurried() bool {
	if m.serving() || m.uplink <= 0 {
		return false
	}
	pieces := time.Duration(2 * m.pieceBits() * int64(time.Second) / m.uplink)
	return m.sentAt > m.now+max(placeQueue, pieces)
}

// serving reports whether the peer is an edge or a source.
func (m *Machine) serving() bool { return m.cfg.Role != wire.RoleViewer }

// firstPlace reports whether a new child's place is a temporary one. Edges
// and sources decide on permanent ones when they see all who want one.
func (m *Machine) firstPlace(tr *tree, n *neighbour) bool {
	if !m.serving() || n.role() == wire.RoleEdge && m.cfg.Role == wire.RoleEdge {
		return false
	}
	offered := tr.offer == n && m.now < tr.offerEnd
	if offered {
		tr.offer = nil
	}
	return !offered
}

// accept tells a child the terms of its place.
func (m *Machine) accept(tr *tree, c *child) {
	msg := &wire.Accept{Epoch: m.epoch.Tag(), Tree: tr.id, Temporary: c.temporary, Path: tr.path}
	switch {
	case c.temporary:
		msg.Others = m.others(tr, c.peer)
	case m.outranked(tr, c):
		msg.Others = []wire.PeerInfo{tr.parent.info()}
	}
	t := c.peer.toldOf(tr)
	t.any, t.path, t.weight = true, tr.pathNumber, tr.weight()
	m.send(c.peer, msg)
}

// others names peers that n may ask for a place in a tree instead.
func (m *Machine) others(tr *tree, n *neighbour) []wire.PeerInfo {
	var infos []wire.PeerInfo
	for _, c := range tr.children {
		if c.peer != n && !c.leaving && !c.temporary && !c.peer.leaf() && c.peer.role() == n.role() {
			infos = append(infos, c.peer.info())
		}
	}
	m.rng.Shuffle(len(infos), func(i, j int) { infos[i], infos[j] = infos[j], infos[i] })
	if m.cfg.Role == wire.RoleEdge && !n.serves() {
		// Half of them stand right below; the others have a place that is free.
		return m.vacant(tr, n, infos[:min(len(infos), exchangeSize/2)])
	}
	return infos[:min(len(infos), exchangeSize)]
}

// catchUp pushes what has come since the child's last news.
func (m *Machine) catchUp(tr *tree, c *child) {
	t := tr.track
	if !t.begun || t.empty() {
		return
	}
	from := max(c.from, t.base)
	if t.newest() >= catchUp {
		from = max(from, t.newest()-catchUp)
	}
	for seq := from; seq <= t.newest(); seq++ {
		f := t.frag(seq)
		for i := range f.count {
			id := wire.PieceID{Track: t.info.ID, Seq: seq, Index: i}
			if f.has(i) && t.tree(id) == tr && c.wants(seq) {
				m.sendPiece(c.peer, t, id, wire.Push)
			}
		}
	}
}

func (m *Machine) onUnsubscribe(n *neighbour, msg *wire.Unsubscribe) {
	tr := m.tree(msg.Tree)
	if tr == nil {
		m.stats.Nonsense++
		return
	}
	c := tr.child(n)
	if c == nil {
		return // it was sent away in the meantime
	}
	if msg.From == 0 {
		tr.removeChild(n)
	} else {
		// What is older may still be on its way to us.
		c.leaving, c.until, c.left = true, msg.From, m.now
	}
	m.nextAssign = m.now
	m.hurry()
}

// free returns how many more children a viewer takes in a tree.
func (m *Machine) free(tr *tree) int { return m.freeBeside(tr, m.children(), m.load()) }

// freeBeside does so where there are some children in all trees, to whom a load goes.
func (m *Machine) freeBeside(tr *tree, children int, load int64) int {
	if m.cfg.Leaf {
		return 0
	}
	free := m.fanout() - tr.staying()
	if tr.home {
		// All of the uplink in one tree still sends every piece before the
		// next one comes.
		free = maxFanout - tr.staying()
	}
	if m.cfg.Slots == 0 && m.uplink > 0 && tr.rate() > 0 {
		free = min(free, int((m.forChildren()-load)/tr.rate()))
	} else {
		free = min(free, m.slots()-children)
	}
	return max(free, 0)
}

// fanout returns the most children that a viewer has in a tree that is not its home.
func (m *Machine) fanout() int {
	childBits := m.pieceBits() * int64(time.Second) / int64(fanoutTime)
	return int(min(max(m.uplink/childBits, leastFanout), maxFanout))
}

// children returns how many there are in all trees.
func (m *Machine) children() int {
	n := 0
	for _, tr := range m.trees {
		n += tr.staying()
	}
	return n
}

// load returns the bits a second that go to children.
func (m *Machine) load() int64 {
	var load int64
	for _, tr := range m.trees {
		load += tr.rate() * int64(tr.staying())
	}
	return load
}

// displace makes room for a peer that can carry more than one of the children:
// that one may find its place below the newcomer.
func (m *Machine) displace(tr *tree, n *neighbour) {
	in, c := m.lowest(tr, n)
	if c == nil {
		return
	}
	c.temporary, c.demoted = true, m.now
	others := m.others(in, c.peer)
	if in == tr {
		others = append([]wire.PeerInfo{n.info()}, others[:min(len(others), exchangeSize-1)]...)
	}
	m.send(c.peer, &wire.Accept{
		Epoch: m.epoch.Tag(), Tree: in.id, Temporary: true, Path: in.path, Others: others,
	})
}

// keepChildren ends places that are over and renews their order.
func (m *Machine) keepChildren() {
	for _, tr := range m.trees {
		tr.children = slices.DeleteFunc(tr.children, func(c *child) bool {
			past := tr.track.proven && tr.track.provenSeq > c.until+catchUp
			return c.leaving && (past || m.now-c.left > leavingTime)
		})
		for _, c := range tr.children {
			was := c.silent
			if c.silent = m.suspect(c.peer) || m.chatty(c.peer) && m.silent(c.peer); was && !c.silent {
				m.catchUp(tr, c)
			}
		}
		if !m.serving() {
			m.evict(tr)
			m.promote(tr)
		}
		if tr.unsorted {
			tr.sortChildren()
		}
	}
	if !m.serving() {
		m.shed()
	}
	if m.serving() && m.now >= m.nextAssign {
		m.nextAssign = m.now + assignEvery
		m.assign()
	}
}

// promote names the peer's own parent to a child that can carry more than the
// peer does: it may take the peer's place, and the peer one below it.
func (m *Machine) promote(tr *tree) {
	if m.now < tr.nextPromote {
		return
	}
	tr.nextPromote = m.now + improveEvery/2
	for _, c := range tr.children {
		if !c.temporary && !c.leaving && m.outranked(tr, c) {
			m.accept(tr, c)
		}
	}
}

// outranked reports whether a child can carry more in a tree than the peer.
func (m *Machine) outranked(tr *tree, c *child) bool {
	if m.serving() || tr.parent == nil || tr.parent.serves() {
		return false
	}
	own := 0
	if tr.home {
		own = m.slots()
	}
	return above(tr.rank(c.peer), own)
}

// shed gives up children when there are more than the uplink carries: else all
// of them would wait ever longer. Each has a moment to look for another parent,
// or it would miss what is cut in between. Where the uplink carries them and
// nothing beside, it is one at a time, that may look for as long as others may.
func (m *Machine) shed() {
	if m.cfg.Slots > 0 || m.uplink <= 0 || m.now < m.nextShed {
		return
	}
	load := m.load()
	if load <= m.forChildren() {
		return
	}
	over := load > m.uplink
	in, c := m.spare(over)
	switch {
	case c == nil:
	case !c.temporary:
		m.nextShed = m.now + evictAfter
		if over {
			m.nextShed = m.now + shedEvery
		}
		c.temporary, c.demoted = true, m.now
		m.accept(in, c)
	case over && m.now-c.demoted >= shedEvery:
		m.sendAway(in, c)
	}
}

// spare returns the child that is given up first, and its tree: one in a tree
// where the peer only helps out, if there is any. With all, one that is about
// to go comes before it, and the only one at home after it.
func (m *Machine) spare(all bool) (in *tree, least *child) {
	for _, tr := range m.trees {
		if all {
			if i := slices.IndexFunc(tr.children, func(c *child) bool { return c.temporary && !c.leaving }); i >= 0 {
				return tr, tr.children[i]
			}
		}
		if least != nil && !in.home || !all && tr.home && tr.staying() < 2 {
			continue
		}
		if c := m.lowestChild(tr); c != nil && (least == nil || !tr.home) {
			in, least = tr, c
		}
	}
	return in, least
}

// sendAway ends a child's place.
func (m *Machine) sendAway(tr *tree, c *child) {
	m.send(c.peer, &wire.Refuse{
		Epoch: m.epoch.Tag(), Tree: tr.id, Reason: wire.RefuseFull, Others: m.others(tr, c.peer),
	})
	tr.removeChild(c.peer)
}

// evict ends a viewer's temporary places that have lasted long enough.
func (m *Machine) evict(tr *tree) {
	over := func(c *child) bool { return c.temporary && !c.leaving && m.now-c.demoted > evictAfter }
	for i := 0; i < len(tr.children); {
		c := tr.children[i]
		if !over(c) {
			i++
			continue
		}
		m.sendAway(tr, c)
	}
}

func (tr *tree) sortChildren() {
	tr.unsorted = false
	slices.SortStableFunc(tr.children, func(a, b *child) int {
		return int(b.weight) - int(a.weight)
	})
}
