// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"
	"time"

	"p2plive/internal/wire"
)

// ask is the quest for one missing piece.
type ask struct {
	peer    *neighbour // asked, nil if nobody is
	at      time.Duration
	until   time.Duration
	gap     time.Duration // when a piece after it was pushed, 0 if none was
	failed  []*neighbour  // asked in vain
	counted bool          // the parent was blamed for it
}

// batch collects what is asked of one neighbour.
type batch struct {
	peer *neighbour
	via  wire.Via
	ids  []wire.PieceID
}

// repair asks for missing pieces and returns when it is to look again.
func (m *Machine) repair() time.Duration {
	m.hungry = false
	again := m.now + edgeHaveEvery
	if m.cfg.Role == wire.RoleSource {
		return again
	}
	m.fillAsks()
	var batches []batch
	for _, t := range m.tracks {
		if !t.begun || t.empty() {
			continue
		}
		for f := t.frag(t.low); f != nil && !f.wanted(); f = t.frag(t.low) {
			t.low++
		}
		for seq := t.low; seq <= t.newest(); seq++ {
			f := t.frag(seq)
			if f == nil || !f.wanted() {
				continue
			}
			if q := f.open; q.isProof && !f.backlog && q.proved+m.cfg.PlayDelay > m.now {
				again = min(again, q.proved+m.cfg.PlayDelay)
			}
			for i := range f.pieces() {
				if !f.has(i) {
					var next time.Duration
					batches, next = m.seek(t, f, i, batches)
					again = min(again, next)
				}
			}
		}
	}
	for _, b := range batches {
		m.send(b.peer, &wire.Request{Epoch: m.epoch.Tag(), Via: b.via, IDs: b.ids})
	}
	return again
}

// seek asks for one missing piece, if it is time to, and returns when to look
// at it again.
func (m *Machine) seek(t *track, f *fragment, i uint16, batches []batch) ([]batch, time.Duration) {
	if a := f.asked(i); a != nil && a.peer != nil {
		if m.now < a.until {
			return batches, a.until
		}
		m.stats.Timeouts++
		a.peer.fails++
		m.fail(f, a)
	}
	id := wire.PieceID{Track: t.info.ID, Seq: f.seq, Index: i}
	tr := t.tree(id)
	if f.backlog {
		if m.backlogAsked >= maxBacklog {
			return batches, m.now + busyTick
		}
	} else if due := m.due(tr, f, f.gap(i)); m.now < due {
		return batches, due
	}
	a := f.ask(i)
	if !f.backlog {
		m.blame(tr, f, i, a)
	}
	cost := 1.0
	if tr.parent != nil && f.seq < tr.from {
		cost = orphanCost
	}
	if m.asks < cost {
		return batches, m.now + busyTick
	}
	n := m.holder(tr, f, i, a)
	if n == nil {
		if len(a.failed) > 0 && m.now-a.at > 2*busyTick+4*askTimeout {
			a.failed = nil // all were asked in vain: begin again
		}
		m.hungry = true
		return batches, m.now + busyTick
	}
	a.peer, a.at = n, m.now
	a.until = m.now + m.answerTime(n)
	if last := m.lastCall(tr, f); !n.serves() && m.now+askTimeout < last {
		a.until = min(a.until, last)
	}
	m.asks -= cost
	n.asked++
	if f.backlog {
		m.backlogAsked++
	}
	m.stats.Requests++
	via := wire.Repair
	if n.serves() && !f.backlog && m.cfg.Role == wire.RoleViewer {
		via = wire.Rescue
	}
	for j := range batches {
		if b := &batches[j]; b.peer == n && b.via == via && len(b.ids) < wire.MaxRequest {
			b.ids = append(b.ids, id)
			return batches, a.until
		}
	}
	return append(batches, batch{n, via, []wire.PieceID{id}}), a.until
}

// noteGaps notes which pieces of a tree were overtaken by one that has come.
func (m *Machine) noteGaps(tr *tree) {
	t := tr.track
	for seq := max(t.low, t.base); pushOrder(seq, 0) < tr.pushed && seq <= t.newest(); seq++ {
		f := t.frag(seq)
		if !f.wanted() || f.backlog {
			continue
		}
		for i := range f.pieces() {
			id := wire.PieceID{Track: t.info.ID, Seq: seq, Index: i}
			if f.has(i) || t.tree(id) != tr || pushOrder(seq, i) > tr.pushed {
				continue
			}
			if a := f.ask(i); a.gap == 0 {
				a.gap = m.now
				m.nextWork = min(m.nextWork, m.now+minPatience)
			}
		}
	}
}

// fillAsks renews what may be asked for. On a line that is full, pieces are
// late because what acknowledges them is: to ask for them once more would keep
// it full.
func (m *Machine) fillAsks() {
	rate := float64(maxAsks)
	if m.uplink > 0 {
		rate = min(rate, float64(m.uplink)*askShare/askBits)
	}
	rate = max(rate, minAsks)
	m.asks = min(m.asks+rate*(m.now-m.askedAt).Seconds(), max(rate, minAsks)*askSpan.Seconds())
	m.askedAt = m.now
}

// due returns when a piece is asked for: when it is no longer expected from the
// tree's parent, or when there is just time to ask a neighbour before the last
// call. In a tree that was broken pieces may be so late, that they are expected,
// and come too late.
func (m *Machine) due(tr *tree, f *fragment, gap time.Duration) time.Duration {
	due := m.expected(tr, f, gap)
	if f.open.isProof {
		due = min(due, max(m.lastCall(tr, f)-beforeLastCall, f.seen+minPatience))
	}
	return due
}

// expected returns until when a piece is expected from the tree's parent. What
// is pushed comes in order: a piece that was overtaken will hardly come, while
// one that was not may wait in the parent's queue, and asking for it would
// make that queue longer.
func (m *Machine) expected(tr *tree, f *fragment, gap time.Duration) time.Duration {
	if tr.parent == nil || m.silent(tr.parent) {
		return f.seen + orphanPatience
	}
	if f.seq < tr.from && tr.former == nil {
		return f.seen + orphanPatience // it was for the parent before, which is gone
	}
	if gap > 0 {
		return gap + minPatience
	}
	p := firstPatience
	if tr.late.any {
		p = min(max(minPatience, tr.late.high()+busyTick), maxPatience)
	}
	return f.seen + p + depthPatience*time.Duration(len(tr.path))
}

// pushOrder numbers the pieces of a tree in the order in which they are cut.
func pushOrder(seq wire.Seq, index uint16) uint64 { return uint64(seq)<<16 | uint64(index) }

// blame counts a piece that the parent should have pushed.
func (m *Machine) blame(tr *tree, f *fragment, i uint16, a *ask) {
	if tr.parent == nil || f.seq < tr.from || f.seen < tr.since {
		return
	}
	if !a.counted {
		a.counted = true
		if tr.overdue++; tr.overdue == 1 {
			tr.overSeen = m.now
		}
	}
	if tr.parent.serves() || tr.parent.has(tr.track, f.seq, i) {
		tr.withheld = true
	}
}

// holder chooses whom to ask for a piece, or nil.
func (m *Machine) holder(tr *tree, f *fragment, i uint16, a *ask) *neighbour {
	t := tr.track
	servers := m.serversMay(tr, f, a)
	urgent := !f.backlog && f.open.isProof && m.now+askTimeout >= m.lastCall(tr, f)
	var best *neighbour
	var bestCost time.Duration
	for _, n := range m.neighbours {
		if !n.synced || n.leaf() || n.asked >= maxAsked || m.suspect(n) || slices.Contains(a.failed, n) {
			continue
		}
		cost := n.rtt + m.serviceTime(n) + time.Duration(n.asked)*10*time.Millisecond +
			time.Duration(min(n.fails, 20))*50*time.Millisecond + time.Duration(m.rng.IntN(10))*time.Millisecond
		switch {
		case n.serves():
			if !servers || !n.track(t).any || m.now < n.spared {
				continue
			}
			if m.cfg.Role == wire.RoleViewer && !urgent {
				cost += time.Second // what a viewer has, no edge is asked for
			}
		case m.serving() || !n.has(t, f.seq, i):
			continue
		case urgent:
			cost += time.Second // there is time for one answer only
		case !n.idle():
			cost += fullCost
		}
		if n == tr.parent {
			cost += askTimeout // it is just sending it, or in trouble
		}
		if best == nil || cost < bestCost {
			best, bestCost = n, cost
		}
	}
	if best == nil && servers && m.count(wire.RoleEdge)+m.count(wire.RoleSource) == 0 {
		return m.anybody(a)
	}
	return best
}

// serversMay reports whether a piece is to be asked of an edge: when the
// backlog is fetched, or when it is late enough that no neighbour will help.
func (m *Machine) serversMay(tr *tree, f *fragment, a *ask) bool {
	switch {
	case m.serving():
		return true
	case f.backlog:
		return m.now >= m.edgesFrom
	case tr.parent != nil && tr.parent.serves(), len(a.failed) > 1:
		return true
	}
	after := rescueAfter + depthPatience*time.Duration(len(tr.path))
	return m.now >= f.seen+min(after, m.cfg.PlayDelay-rescueMargin)
}

// lastCall returns when a missing piece is asked of an edge, whoever else has it:
// what has been asked of others has not come, and then it is too late. Its
// parent may be getting it too; where half of 1,000 viewers leave, to wait for
// that made twice as many stalls.
func (m *Machine) lastCall(tr *tree, f *fragment) time.Duration {
	wait := max(m.cfg.PlayDelay-lastCallTime, m.cfg.PlayDelay/2)
	from := f.open.proved
	if t := tr.track; t.lag.any && t.lag.last < m.cfg.PlayDelay {
		// A player whose clock was set by the quickest piece shows it sooner.
		from = min(from, t.quickest(f.seq))
	}
	return from + wait
}

// anybody chooses a neighbour that may have what no have-map shows.
func (m *Machine) anybody(a *ask) *neighbour {
	var some []*neighbour
	for _, n := range m.neighbours {
		if n.synced && !n.leaf() && n.asked < maxAsked && !m.suspect(n) && !slices.Contains(a.failed, n) {
			some = append(some, n)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[m.rng.IntN(len(some))]
}

// answerTime returns how long an answer may take.
func (m *Machine) answerTime(n *neighbour) time.Duration {
	d := 2*n.rtt + askTimeout + 2*m.serviceTime(n) // a pushed piece goes before it
	if n.reply.any {
		d = max(d, n.reply.high())
	}
	d += time.Duration(n.asked) * 5 * time.Millisecond
	return min(d<<min(n.fails, 3), maxAskTimeout)
}

// serviceTime estimates how long a piece is on a neighbour's line, by the
// children that it says it can carry.
func (m *Machine) serviceTime(n *neighbour) time.Duration {
	if n.serves() || n.slots == 0 {
		return 0
	}
	rate := m.rate()
	if rate == 0 {
		return 0
	}
	return min(time.Duration(m.pieceBits()*int64(time.Second)*int64(len(m.trees))/(rate*int64(n.slots))), maxPatience)
}

// settle ends the quest for a piece that has come.
func (m *Machine) settle(t *track, f *fragment, i uint16, from *neighbour) {
	asks := f.asks()
	if int(i) >= len(asks) {
		return
	}
	a := &asks[i]
	if a.peer != nil && a.peer == from {
		from.reply.add(m.now - a.at)
		from.fails = 0
	}
	m.release(f, a)
	if f.backlog {
		// The next of the backlog may be asked for.
		m.nextWork = min(m.nextWork, m.now+busyTick/4)
	}
}

// release ends a request without judging it.
func (m *Machine) release(f *fragment, a *ask) {
	if a.peer == nil {
		return
	}
	a.peer.asked--
	if f.backlog {
		m.backlogAsked--
	}
	a.peer = nil
}

// fail ends a request that was in vain.
func (m *Machine) fail(f *fragment, a *ask) {
	if len(a.failed) < maxAsked {
		a.failed = append(a.failed, a.peer)
	}
	m.release(f, a)
}

func (m *Machine) releaseFragment(f *fragment) {
	asks := f.asks()
	for i := range asks {
		m.release(f, &asks[i])
	}
	clear(asks)
	if f.open != nil {
		f.open.asks = asks[:0]
	}
}

// releaseAsks ends all requests to a neighbour, so that others are asked.
func (m *Machine) releaseAsks(n *neighbour) {
	if n.asked == 0 {
		return
	}
	for _, t := range m.tracks {
		for i := range t.frags.len() {
			f := t.frags.at(i)
			asks := f.asks()
			for j := range asks {
				if asks[j].peer == n {
					m.fail(f, &asks[j])
				}
			}
		}
	}
	m.hurry()
}

func (m *Machine) onLack(n *neighbour, msg *wire.Lack) {
	if n.serves() && !m.serving() {
		n.spared = m.now + spareTime
	}
	for _, id := range msg.IDs {
		t := m.track(id.Track)
		if t == nil {
			m.stats.Nonsense++
			continue
		}
		f := t.frag(id.Seq)
		if f == nil {
			continue
		}
		if asks := f.asks(); int(id.Index) < len(asks) && asks[id.Index].peer == n {
			n.unmark(t, id.Seq, id.Index)
			m.fail(f, &asks[id.Index])
			m.hurry()
		}
	}
}

// onRequest answers with pieces, and names those that will not come.
func (m *Machine) onRequest(n *neighbour, msg *wire.Request) {
	var lack []wire.PieceID
	for _, id := range msg.IDs {
		t := m.track(id.Track)
		if t == nil {
			lack = append(lack, id)
			continue
		}
		m.backfill(t, id.Seq)
		f := t.frag(id.Seq)
		if m.leaf() || f == nil || !f.has(id.Index) || m.busy() || !n.tokens.take(m.now) {
			lack = append(lack, id)
			continue
		}
		m.answer(n, t, id, msg.Via)
	}
	if len(lack) > 0 {
		m.stats.Lacks += uint64(len(lack))
		m.send(n, &wire.Lack{Epoch: msg.Epoch, IDs: lack})
		m.spend(lackSize + len(lack)*lackIDSize)
	}
}

// backfill has an edge fetch what is asked of it and older than its own start:
// it was restarted, and the viewers have not got what came in between.
func (m *Machine) backfill(t *track, seq wire.Seq) {
	if m.cfg.Role == wire.RoleEdge && t.proven && seq < t.base && t.base-seq <= wire.MaxHave &&
		m.now-t.begunAt < m.cfg.Window/2 {
		t.extendDown(seq, m.now)
		m.hurry()
	}
}

// answer sends a piece, also one that was sent before: it may have been
// dropped on its way. It does not do so without end.
func (m *Machine) answer(n *neighbour, t *track, id wire.PieceID, via wire.Via) {
	if n.mark(t, id.Seq, id.Index, t.count(id.Seq)) {
		m.emitPiece(n, id, via)
		return
	}
	if n.again[id] >= maxAgain {
		m.stats.Nonsense++
		return
	}
	if n.again == nil || len(n.again) >= againKept {
		n.again = make(map[wire.PieceID]uint8)
	}
	n.again[id]++
	m.emitPiece(n, id, via)
}

// emitPiece sends a piece, and keeps count of how full that makes the uplink.
func (m *Machine) emitPiece(n *neighbour, id wire.PieceID, via wire.Via) {
	m.stats.PiecesSent++
	expires := m.now + m.cfg.PlayDelay
	if via == wire.Push {
		expires = min(expires, m.now+maxPatience) // by then it has been asked of others
	}
	n.spoken = m.now
	m.out.SendPiece(SendPiece{Peer: n.id(), ID: id, Via: via, Expires: expires})
	if f := m.track(id.Track).frag(id.Seq); f != nil {
		m.spend(int(f.size) + wire.PieceOverhead)
	}
}

// spend keeps count of how full bytes make the uplink, if it is known.
func (m *Machine) spend(bytes int) {
	if m.uplink > 0 {
		takes := time.Duration(int64(bytes) * 8 * int64(time.Second) / max(m.uplink*wireShare/100, 1))
		m.sentAt = min(max(m.sentAt, m.now)+takes, m.now+maxBusy)
	}
}

// busy reports whether the uplink has too much to do for a request: a token
// bucket, which what is pushed empties too.
func (m *Machine) busy() bool { return m.sentAt > m.now+busyQueue }

// sendFailed notes that a piece was not sent. The neighbour asks for it, or
// for something newer, when its turn comes.
func (m *Machine) sendFailed(ev SendFailed) {
	n, t := m.find(ev.Peer), m.track(ev.ID.Track)
	if n != nil && t != nil {
		n.unmark(t, ev.ID.Seq, ev.ID.Index)
	}
}
