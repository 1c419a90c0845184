// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"
	"time"

	"p2plive/internal/wire"
)

// tell sends have-maps and heartbeats to the neighbours whose turn it is.
func (m *Machine) tell() {
	if m.now < m.nextTell {
		return
	}
	m.nextTell = m.now + edgeHaveEvery
	m.survey()
	for _, tr := range m.trees {
		for _, c := range tr.children {
			c.peer.kinAt = m.now
			if m.serving() {
				c.peer.fedAt = m.now
			}
		}
		if tr.parent != nil {
			tr.parent.kinAt = m.now
		}
	}
	early := time.Duration(0)
	if !m.serving() {
		early = tellEarly
	}
	for _, n := range m.neighbours {
		if m.now+early >= n.nextHave {
			n.nextHave = m.now + m.haveInterval(n)
			m.tellHave(n)
			m.tellTrees(n)
		}
		m.nextTell = min(m.nextTell, n.nextHave)
		if m.keepsWarm(n) {
			if m.now+early-n.spoken >= kinEvery {
				m.tellNews(n, true)
			}
			m.nextTell = min(m.nextTell, n.spoken+kinEvery)
		}
	}
}

// tellSoon has everybody told in the next tick, of all trees at once.
func (m *Machine) tellSoon() {
	soon := m.now + busyTick
	for _, n := range m.neighbours {
		n.nextHave = min(n.nextHave, soon)
	}
	m.nextTell = min(m.nextTell, soon)
	m.nextWork = min(m.nextWork, soon)
}

func (m *Machine) haveInterval(n *neighbour) time.Duration {
	switch {
	case m.cfg.Role == wire.RoleEdge && !n.serves() && n.fedAt < m.now:
		return edgeHaveEvery
	case m.serving() && n.serves():
		return serverHaveEvery
	case n.leaf() && n.slotsTold && !m.serving():
		return leafHaveEvery
	case m.serving() && n.fedAt == m.now && !n.leaf():
		return childHaveEvery
	}
	return haveEvery
}

// tellAll tells a neighbour everything, at a session's or an epoch's start.
func (m *Machine) tellAll(n *neighbour) {
	for _, tr := range m.trees {
		n.toldOf(tr).any = false
	}
	for _, t := range m.tracks {
		n.track(t).full = false
	}
	m.survey()
	m.tellTrees(n)
	m.tellHave(n)
	n.nextHave = m.now + m.haveInterval(n)
	m.nextTell = min(m.nextTell, n.nextHave)
}

// tellHave sends a have-map, even an empty one: it shows that the peer is
// alive. Edges get none from viewers: they do not ask viewers for anything. A
// leaf sends none: nobody asks it.
func (m *Machine) tellHave(n *neighbour) {
	if m.leaf() || n.serves() && !m.serving() {
		return
	}
	msg := m.out.NewHave()
	msg.Epoch, msg.Tracks = m.epoch.Tag(), msg.Tracks[:0]
	for _, t := range m.tracks {
		rt := n.track(t)
		msg.Tracks = slices.Grow(msg.Tracks, 1)
		th := &msg.Tracks[:len(msg.Tracks)+1][len(msg.Tracks)]
		if m.trackHave(n, t, rt, th) {
			msg.Tracks = msg.Tracks[:len(msg.Tracks)+1]
		}
		rt.full = true
		rt.cursor = t.changes.total
	}
	m.send(n, msg)
}

// sparePush tells the parent of a piece that came from somebody else before the
// parent had it: else it would push it too, when uplinks are needed most.
func (m *Machine) sparePush(t *track, f *fragment, h *wire.PieceHeader) {
	p := t.tree(h.ID()).parent
	newest, ok := t.newestHeld()
	if p == nil || !ok || p.serves() || f.backlog || m.leaf() || p.has(t, h.Seq, h.Index) {
		return
	}
	m.send(p, &wire.Have{Epoch: m.epoch.Tag(), Tracks: []wire.TrackHave{{
		Track: t.info.ID, Newest: newest, Start: m.startFor(t, newest), Base: h.Seq,
		Fragments: []wire.FragmentHave{f.held()},
	}}})
}

// trackHave fills in what a neighbour is told of a track. It returns false if
// there is nothing to tell.
func (m *Machine) trackHave(n *neighbour, t *track, rt *remoteTrack, th *wire.TrackHave) bool {
	newest, ok := t.newestHeld()
	if !ok {
		return false
	}
	start := m.startFor(t, newest)
	*th = wire.TrackHave{Track: t.info.ID, Newest: newest, Start: start, Base: newest, Fragments: th.Fragments[:0]}
	lo, hi, any := newest, newest, false
	behind := t.changes.total - rt.cursor
	switch {
	case !rt.full || behind > changeLog:
		lo, any = min(start, newest), true
	case m.serving():
		// An edge has everything up to the newest.
	default:
		for i := rt.cursor; i != t.changes.total; i++ {
			seq := t.changes.seqs[i%changeLog]
			f := t.frag(seq)
			if f == nil || n.hasAllOf(t, f) {
				continue
			}
			if !any {
				lo, hi, any = seq, seq, true
			}
			lo, hi = min(lo, seq), max(hi, seq)
		}
	}
	if !any {
		return true
	}
	if hi-lo >= wire.MaxHave {
		lo = hi - wire.MaxHave + 1
	}
	th.Base = lo
	th.Fragments = slices.Grow(th.Fragments, int(hi-lo)+1)
	for seq := lo; seq <= hi; seq++ {
		th.Fragments = append(th.Fragments, t.frag(seq).held())
	}
	return true
}

// hasAllOf reports whether the neighbour is known to have all that we have of
// a fragment.
func (n *neighbour) hasAllOf(t *track, f *fragment) bool {
	ring := &n.track(t).have
	covered, late := ring.covers(f.seq)
	if !covered {
		return late
	}
	if ring.isFull(f.seq) {
		return true
	}
	set := ring.at(ring.place(f.seq))
	if f.low()&^set.low != 0 {
		return false
	}
	for i := uint16(64); i < f.count; i++ {
		if f.has(i) && !set.has(i) {
			return false
		}
	}
	return true
}

// held encodes what there is of a fragment.
func (f *fragment) held() wire.FragmentHave {
	switch {
	case f == nil || f.got == 0:
		return wire.FragmentHave{}
	case f.complete():
		return wire.FragmentHave{Count: f.count}
	}
	h := wire.FragmentHave{Count: f.count, Bits: make([]byte, (f.count+7)/8)}
	for i := range f.count {
		if f.has(i) {
			h.Bits[i/8] |= 1 << (i % 8)
		}
	}
	return h
}

// newestHeld returns the newest fragment of which there is a piece.
func (t *track) newestHeld() (wire.Seq, bool) {
	if !t.begun {
		return 0, false
	}
	for i := t.frags.len() - 1; i >= 0; i-- {
		if f := t.frags.at(i); f.got > 0 {
			return f.seq, true
		}
	}
	return 0, false
}

// startFor returns where a new viewer should begin: a video at its newest key
// frame, audio where that is in time.
func (m *Machine) startFor(t *track, newest wire.Seq) wire.Seq {
	if t.info.Kind == wire.Video {
		if t.hasKey && t.key <= newest {
			return t.key
		}
		return newest
	}
	for _, v := range m.tracks {
		if f := v.frag(v.key); v.info.Kind == wire.Video && v.hasKey && f != nil && f.got > 0 {
			return min(t.at(v.micros(f.base), newest), newest)
		}
	}
	return max(t.base, newest-min(newest, audioLead))
}

// at returns the fragment whose start is nearest to a media time, by what is
// known of fragment seq.
func (t *track) at(micros int64, seq wire.Seq) wire.Seq {
	f := t.frag(seq)
	if f == nil || f.got == 0 || f.duration == 0 {
		return seq
	}
	length := max(t.micros(uint64(f.duration)), 1)
	diff := micros - t.micros(f.base)
	steps := (2*diff + length) / (2 * length)
	if 2*diff+length < 0 && (2*diff+length)%(2*length) != 0 {
		steps-- // integer division rounds towards zero
	}
	steps = min(max(steps, -maxFragments), maxFragments)
	return wire.Seq(max(int64(seq)+steps, int64(t.base)))
}

func (m *Machine) onHave(n *neighbour, msg *wire.Have) {
	for i := range msg.Tracks {
		th := &msg.Tracks[i]
		t := m.track(th.Track)
		if t == nil || th.Newest >= maxSeq {
			m.stats.Nonsense++
			continue
		}
		rt := n.track(t)
		first := !rt.any
		if first {
			rt.any, rt.newest = true, th.Newest
		}
		rt.before, rt.newest = rt.newest, max(rt.newest, th.Newest)
		t.claims.add(n, rt, first)
		m.learn(t, n, th)
		size := t.ringSize()
		for j := range th.Fragments {
			m.learnFragment(t, rt, th.Base+wire.Seq(j), &th.Fragments[j], size)
		}
	}
	if m.hungry {
		m.nextWork = min(m.nextWork, m.now+busyTick/4)
	}
}

func (m *Machine) learnFragment(t *track, rt *remoteTrack, seq wire.Seq, fh *wire.FragmentHave, size int) {
	if fh.Count == 0 {
		return
	}
	if !rt.have.touch(seq, size) {
		return
	}
	if fh.Bits == nil {
		rt.have.addAll(seq)
	} else {
		for i := range fh.Count {
			if fh.Bits[i/8]>>(i%8)&1 != 0 {
				rt.have.add(seq, i, fh.Count)
			}
		}
	}
	if seq < t.low {
		return // nothing there is wanted
	}
	if f := t.frag(seq); f != nil && f.got == 0 && f.count == 0 {
		f.count = fh.Count
	}
}

// learn takes from a have-map which fragments exist. Until a signed piece
// proves it, this is one neighbour's word.
func (m *Machine) learn(t *track, n *neighbour, th *wire.TrackHave) {
	if m.cfg.Role == wire.RoleSource {
		return
	}
	if t.newerStart(th.Start) {
		m.startLater(t, th.Start)
	}
	lied := t.begun && !t.proven && m.now-t.begunAt > time.Second
	switch {
	case !t.begun || lied:
		m.misled(t, th.Start)
		t.extend(min(th.Newest, th.Start+maxAhead), m.now)
		for i := range t.frags.len() {
			t.frags.at(i).backlog = true
		}
		m.hurry()
	case !t.playing && t.proven && th.Start < t.base && t.base-th.Start <= wire.MaxHave && !t.backlogged():
		// The first piece was pushed before a have-map came.
		t.extendDown(th.Start, m.now)
		m.hurry()
	case !t.empty() && th.Newest > t.newest():
		limit := t.newest()
		if t.proven {
			limit = t.provenSeq
		}
		if newest := min(m.likelyNewest(t), limit+wire.MaxHave); newest > t.newest() {
			t.extend(newest, m.now)
		}
	}
}

// newerStart reports whether a video that has yet to start may as well begin
// later than planned: who told first was behind, or what was planned takes long
// to come. That a signed piece is as new bounds what a liar can do.
func (t *track) newerStart(start wire.Seq) bool {
	return t.info.Kind == wire.Video && !t.playing && t.proven && start > t.first && start <= t.provenSeq
}

// startLater has play start at a later fragment. Nothing before it is fetched:
// where a crowd comes, uplinks are short of nothing else.
func (m *Machine) startLater(t *track, first wire.Seq) {
	for seq := t.base; seq < first; seq++ {
		if f := t.frag(seq); f != nil {
			m.giveUp(f)
		}
	}
	t.first, t.next = first, first
	m.hurry()
}

func (t *track) backlogged() bool { return !t.empty() && t.frags.at(0).backlog }
