// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"time"

	"p2plive/internal/wire"
)

// fragment is what the machine knows of one fragment. It remembers hundreds.
type fragment struct {
	seq   wire.Seq
	count uint16 // pieces, 0 if not known; a neighbour's word until got > 0
	got   uint16

	base     uint64 // from a signed header, if got > 0, as duration, key and size
	duration uint32
	size     uint16 // bytes of one of its pieces: all are about equal
	key      bool
	backlog  bool // older than the peer's own start

	seen time.Duration // when it became known, or likely, to exist
	open *quest        // nil once all pieces are there
}

// quest is what only matters as long as a fragment is not complete.
type quest struct {
	have    pieceSet
	proved  time.Duration // when a signed piece first showed that the fragment exists
	isProof bool          // proved is set
	over    bool          // given up, or never wanted
	asks    []ask         // by index; empty while nothing was overdue
}

func (f *fragment) complete() bool { return f.got > 0 && f.got == f.count }

// has reports whether a piece is there.
func (f *fragment) has(i uint16) bool {
	if f.open == nil {
		return i < f.count
	}
	return f.open.have.has(i)
}

// low returns which of the first 64 pieces are there.
func (f *fragment) low() uint64 {
	if f.open == nil {
		return 1<<min(f.count, 64) - 1
	}
	return f.open.have.low
}

// wanted reports whether there is something to be asked for.
func (f *fragment) wanted() bool { return f.open != nil && !f.open.over }

// pieces returns how many pieces are known to exist.
func (f *fragment) pieces() uint16 { return max(f.count, 1) }

// asks returns the state of the quests for its pieces.
func (f *fragment) asks() []ask {
	if f.open == nil {
		return nil
	}
	return f.open.asks
}

// asked returns the state of the quest for piece i, nil while nothing was overdue.
func (f *fragment) asked(i uint16) *ask {
	if asks := f.asks(); int(i) < len(asks) {
		return &asks[i]
	}
	return nil
}

// gap returns when a piece after piece i was pushed, 0 if none was.
func (f *fragment) gap(i uint16) time.Duration {
	if a := f.asked(i); a != nil {
		return a.gap
	}
	return 0
}

// ask returns the state of the quest for piece i, which is missing.
func (f *fragment) ask(i uint16) *ask {
	q := f.open
	for len(q.asks) <= int(i) {
		q.asks = append(q.asks, ask{})
	}
	return &q.asks[i]
}

// track is one track of the stream: its trees and its newest fragments. What
// all events need stands first.
type track struct {
	// frags holds fragment base and those after it, up to newest. Nothing is
	// known of any fragment while begun is false.
	frags     fragmentRing
	base      wire.Seq
	low       wire.Seq // nothing that is wanted is missing below
	next      wire.Seq // to be delivered
	provenSeq wire.Seq
	key       wire.Seq // newest key fragment
	hasKey    bool
	begun     bool
	proven    bool // a signed piece has come
	playing   bool // a fragment was delivered

	info    TrackInfo
	first   wire.Seq // where play starts, or waits to start
	index   int
	size    int     // bytes of a piece, a mean
	trees   []*tree // by substream
	begunAt time.Duration
	// startsAt is the media time at which play has started, in microseconds.
	startsAt int64

	closed []*quest // to be used again
	lag    lagMeter

	claims  claims
	changes changeRing
}

// newest returns the newest fragment that is known, or likely, to exist.
func (t *track) newest() wire.Seq { return t.base + wire.Seq(t.frags.len()) - 1 }

// empty reports whether no fragment is known.
func (t *track) empty() bool { return t.frags.len() == 0 }

// frag returns a fragment, or nil if nothing is known of it.
func (t *track) frag(seq wire.Seq) *fragment {
	if !t.begun || seq < t.base || uint64(seq-t.base) >= uint64(t.frags.len()) {
		return nil
	}
	return t.frags.at(int(seq - t.base))
}

// count returns how many pieces a fragment has, 0 if that is not known.
func (t *track) count(seq wire.Seq) uint16 {
	if f := t.frag(seq); f != nil {
		return f.count
	}
	return 0
}

// openQuest returns a quest for a fragment that has become known.
func (t *track) openQuest() *quest {
	n := len(t.closed)
	if n == 0 {
		return new(quest)
	}
	q := t.closed[n-1]
	t.closed = t.closed[:n-1]
	return q
}

// closeQuest keeps a fragment's quest for another one. Nothing is asked for it.
func (t *track) closeQuest(f *fragment) {
	q := f.open
	f.open = nil
	if q != nil && len(t.closed) < closedQuests {
		clear(q.asks)
		*q = quest{asks: q.asks[:0]}
		t.closed = append(t.closed, q)
	}
}

// tree returns the tree that a piece goes down.
func (t *track) tree(id wire.PieceID) *tree { return t.trees[id.Substream(t.info.Substreams)] }

// begin sets where the peer's interest starts and forgets all fragments.
func (t *track) begin(first wire.Seq, now time.Duration) {
	t.begun, t.begunAt = true, now
	t.base, t.frags = first, fragmentRing{}
	t.first, t.next, t.low = first, first, first
	t.playing, t.hasKey, t.proven = false, false, false
}

// extend makes the fragments up to seq known. The caller has bounded it.
func (t *track) extend(seq wire.Seq, now time.Duration) {
	for t.empty() || t.newest() < seq {
		next := t.base + wire.Seq(t.frags.len())
		if next > seq {
			return
		}
		t.frags.push(fragment{seq: next, seen: now, open: t.openQuest()})
	}
}

// extendDown makes the fragments from seq on known, below those that are.
func (t *track) extendDown(seq wire.Seq, now time.Duration) {
	if seq >= t.base {
		return
	}
	var frags fragmentRing
	for s := seq; s < t.base; s++ {
		frags.push(fragment{seq: s, seen: now, backlog: true, open: t.openQuest()})
	}
	for i := range t.frags.len() {
		frags.push(*t.frags.at(i))
	}
	t.frags, t.base, t.low = frags, seq, seq
	if !t.playing {
		t.first, t.next = seq, seq
	}
}

// prove notes that a signed piece of fragment seq has come: it and all
// before it exist.
func (t *track) prove(seq wire.Seq, now time.Duration) {
	from := t.base
	if t.proven {
		from = max(t.base, t.provenSeq+1)
	}
	for s := from; s <= seq; s++ {
		if f := t.frag(s); f != nil && f.open != nil && !f.open.isProof {
			f.open.proved, f.open.isProof = now, true
		}
	}
	if !t.proven || seq > t.provenSeq {
		t.proven, t.provenSeq = true, seq
	}
}

// interval returns the time between two fragments.
func (t *track) interval() time.Duration {
	if f := t.frag(t.provenSeq); t.proven && f != nil && f.duration > 0 {
		d := time.Duration(f.duration) * time.Second / time.Duration(t.info.Timescale)
		return min(max(d, 5*time.Millisecond), time.Second)
	}
	return 33 * time.Millisecond
}

// micros converts a media time to microseconds.
func (t *track) micros(base uint64) int64 {
	ts := uint64(max(t.info.Timescale, 1))
	return int64(base/ts*1e6 + base%ts*1e6/ts)
}

// changeRing lists the fragments of which pieces have come, in that order.
type changeRing struct {
	total uint32 // of all time; it begins at 0 again after 2^32
	seqs  [changeLog]wire.Seq
}

func (c *changeRing) add(seq wire.Seq) {
	if c.total > 0 && c.seqs[(c.total-1)%changeLog] == seq {
		return
	}
	c.seqs[c.total%changeLog] = seq
	c.total++
}

// lagMeter compares arrivals with the quickest one. The clocks of source and
// peer differ, so only differences of their difference mean something.
type lagMeter struct {
	best, next int64 // smallest arrival minus wall clock, ms: of this span and the last, and of this one
	since      time.Duration
	any        bool
	last       time.Duration
	seq        wire.Seq // the newest fragment, and its wall clock
	wall       int64
}

const lagSpan = time.Minute // clocks drift: older minima are forgotten

func (l *lagMeter) add(now time.Duration, seq wire.Seq, wall int64) {
	if seq > l.seq || !l.any {
		l.seq, l.wall = seq, wall
	}
	d := now.Milliseconds() - wall
	switch {
	case !l.any:
		l.best, l.next, l.since, l.any = d, d, now, true
	case now-l.since > lagSpan:
		l.best, l.next, l.since = l.next, d, now
	}
	l.best, l.next = min(l.best, d), min(l.next, d)
	l.last = time.Duration(d-l.best) * time.Millisecond
}

// quickest returns when a fragment comes, or would have come, the quickest way.
func (t *track) quickest(seq wire.Seq) time.Duration {
	l := &t.lag
	return time.Duration(l.wall+l.best)*time.Millisecond + time.Duration(int64(seq)-int64(l.seq))*t.interval()
}
