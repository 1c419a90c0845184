// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "p2plive/internal/wire"

// pieceIn takes a piece that came from a neighbour. Its signature holds, so
// its header is the truth about the fragment.
func (m *Machine) pieceIn(ev PieceIn) {
	h := &ev.Header
	t := m.track(h.Track)
	if !m.live || h.Epoch != m.epoch || t == nil || !plausible(h) {
		m.stats.Nonsense++
		return
	}
	n := m.find(ev.Peer) // nil if the session has just ended
	m.place(t, h.Seq)
	if n != nil {
		n.hear(m.now)
		n.mark(t, h.Seq, h.Index, h.Count)
	}
	f := t.frag(h.Seq)
	if f == nil || f.has(h.Index) {
		m.stats.Duplicates++
		if f != nil && ev.Via == wire.Push {
			m.pushedBy(n, t, f, h)
		}
		return
	}
	switch ev.Via {
	case wire.Push:
		m.stats.Pushed++
	case wire.Repair:
		m.stats.Repaired++
	case wire.Rescue:
		m.stats.Rescued++
	}
	m.settle(t, f, h.Index, n)
	if ev.Via == wire.Push {
		m.pushedBy(n, t, f, h)
	}
	m.gain(t, f, h, ev.Size)
	if ev.Via != wire.Push {
		m.sparePush(t, f, h)
	}
}

// pushedBy learns from a pushed piece how the parent does. It does so also
// where somebody else's copy came first: that one was asked for too early.
func (m *Machine) pushedBy(n *neighbour, t *track, f *fragment, h *wire.PieceHeader) {
	tr := t.tree(h.ID())
	if n == nil || tr.parent != n {
		return
	}
	tr.overdue, tr.withheld = 0, false
	tr.pushed = max(tr.pushed, pushOrder(h.Seq, h.Index))
	m.noteGaps(tr)
	if !f.backlog {
		tr.late.add(m.now - f.seen)
	}
}

func plausible(h *wire.PieceHeader) bool {
	return h.Seq < maxSeq && h.Count > 0 && h.Count <= wire.MaxPieces && h.Index < h.Count
}

// pieceMade takes a piece of the peer's own stream.
func (m *Machine) pieceMade(ev PieceMade) {
	h := &ev.Header
	t := m.track(h.Track)
	if !m.live || h.Epoch != m.epoch || t == nil || !plausible(h) {
		m.stats.Nonsense++
		return
	}
	m.place(t, h.Seq)
	if f := t.frag(h.Seq); f != nil && !f.has(h.Index) {
		m.gain(t, f, h, ev.Size)
	}
}

// place makes fragment seq, of which a signed piece has come, a known one.
func (m *Machine) place(t *track, seq wire.Seq) {
	switch {
	case !t.begun:
		m.restart(t, seq)
	case !t.proven && (seq < t.base || !t.empty() && seq > t.newest()+maxAhead):
		m.misled(t, seq)
	case seq > t.base+wire.Seq(t.frags.len())+maxAhead:
		m.jump(t, seq)
	}
	t.extend(seq, m.now)
	t.prove(seq, m.now)
	if t.low < seq {
		m.nextWork = min(m.nextWork, m.now+minPatience)
	}
}

// misled begins a track anew because what a neighbour said about it was wrong.
// The parents were asked to push from a fragment that does not exist.
func (m *Machine) misled(t *track, first wire.Seq) {
	m.restart(t, first)
	for _, tr := range t.trees {
		if tr.pending != nil {
			m.leave(tr, tr.pending, 0)
		}
		if tr.parent != nil {
			m.leave(tr, tr.parent, 0)
		}
	}
}

// jump begins a track anew, since the peer was away for too long.
func (m *Machine) jump(t *track, seq wire.Seq) {
	if t.playing && seq > t.next {
		m.stats.Missed += uint64(seq - t.next)
		m.emit(Missed{Track: t.info.ID, Seq: seq - 1})
	}
	m.restart(t, seq)
	if m.cfg.Role == wire.RoleSource {
		t.playing = true
	}
}

// restart forgets a track's fragments and waits for play to start at first.
func (m *Machine) restart(t *track, first wire.Seq) {
	for i := range t.frags.len() {
		m.releaseFragment(t.frags.at(i))
	}
	t.begin(first, m.now)
}

// gain adds a piece to its fragment, hands it on and delivers what is complete.
func (m *Machine) gain(t *track, f *fragment, h *wire.PieceHeader, size int) {
	if f.got == 0 {
		f.key, f.base, f.duration = h.Key, h.Base, h.Duration
		m.setCount(f, h.Count)
		f.size = uint16(min(size, wire.MaxPiecePayload))
	}
	if h.Index >= f.count || f.open == nil || !f.open.have.add(h.Index) {
		m.stats.Nonsense++ // the source contradicts itself
		return
	}
	f.got++
	if t.size == 0 {
		t.size = size
	}
	t.size += (size - t.size) / sizeMemory
	if f.key && (!t.hasKey || f.seq > t.key) {
		t.key, t.hasKey = f.seq, true
	}
	t.changes.add(f.seq)
	m.push(t, h.ID())
	if f.complete() {
		m.releaseFragment(f)
		t.closeQuest(f)
		if !f.backlog {
			t.lag.add(m.now, f.seq, h.Wall)
		}
		m.deliver(t)
	}
}

// setCount replaces a neighbour's word about the number of pieces.
func (m *Machine) setCount(f *fragment, count uint16) {
	f.count = count
	if asks := f.asks(); len(asks) > int(count) {
		for i := range asks[count:] {
			m.release(f, &asks[int(count)+i])
		}
		clear(asks[count:])
		f.open.asks = asks[:count]
	}
}

// trim forgets fragments that have left the window.
func (m *Machine) trim(t *track) {
	n := 0
	for !t.empty() && (m.now-t.frags.at(0).seen > m.cfg.Window || t.frags.len() > maxFragments) {
		m.releaseFragment(t.frags.at(0))
		t.closeQuest(t.frags.at(0))
		t.frags.shift()
		n++
	}
	t.base += wire.Seq(n)
	t.low = max(t.low, t.base)
	if t.hasKey && t.key < t.base {
		t.hasKey = false
	}
}
