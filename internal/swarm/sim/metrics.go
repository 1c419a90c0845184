// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// histogram counts times in steps of a millisecond, or of another step; what is
// beyond its end is counted there.
type histogram struct {
	step  time.Duration // 0 is a millisecond
	bins  [1 << 14]uint64
	total uint64
}

func (h *histogram) add(d time.Duration) {
	h.bins[min(max(d/max(h.step, time.Millisecond), 0), time.Duration(len(h.bins)-1))]++
	h.total++
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.bins {
		h.bins[i] += n
	}
	h.total += o.total
}

// quantile returns the time that a share q of all is not above, in ms.
func (h *histogram) quantile(q float64) int {
	want := uint64(q * float64(h.total))
	var sum uint64
	for i, n := range h.bins {
		if sum += n; sum > want || sum == h.total && n > 0 {
			return i * int(max(h.step, time.Millisecond)/time.Millisecond)
		}
	}
	return 0
}

// metrics is what is counted while a run is measured.
type metrics struct {
	lag, lagNow histogram // of live pieces: of the run, and of this second
	first       histogram // from coming to the first picture

	fromViewers, fromEdges       uint64 // payload bytes that came to viewers
	secondViewers, secondEdges   uint64 // those of this second
	pushed, repaired, rescued    uint64 // of them, by reason
	duplicate, bad, control      uint64 // bytes
	entered                      uint64 // bytes that came into LANs from outside
	badPieces, evicted, expired  uint64
	dialFailed, dialed           uint64
	seconds                      []Second
	machines                     swarm.Stats // sums of the viewers'
	expected, onTime             uint64
	missed, stalls, stalledPeers uint64
	stalledTime                  time.Duration
	judged                       uint64        // viewers
	judgedTime                   time.Duration // of viewers that played
	waiting                      int           // viewers without a picture at the end
	violations                   int
	violation                    string
}

// Second is how the run stood in one of its seconds.
type Second struct {
	T       int     `json:"t"`
	Viewers int     `json:"viewers"`
	Offload float64 `json:"offload"`
	LagP50  int     `json:"lag_p50_ms"`
	LagP99  int     `json:"lag_p99_ms"`
}

// gone takes the figures of a viewer that has left, or of the run's end.
func (m *metrics) gone(w *world, p *peer) {
	pl := &p.player
	pl.judge(w, w.q.now)
	m.expected += pl.expected
	m.onTime += pl.onTime
	m.judged++
	m.missed += uint64(pl.missed)
	m.stalls += uint64(pl.stalls)
	m.stalledTime += pl.stalled
	if pl.stalls > 0 {
		m.stalledPeers++
	}
	if from := max(pl.first+settle, w.sc.Warmup); pl.settled && w.q.now > from {
		m.judgedTime += w.q.now - from
	}
	if p.machine == nil {
		return
	}
	s, sum := p.machine.Stats(), &m.machines
	sum.Requests += s.Requests
	sum.Timeouts += s.Timeouts
	sum.Lacks += s.Lacks
	sum.Moves.Add(s.Moves)
	sum.Loops += s.Loops
	sum.Nonsense += s.Nonsense
	sum.Trees += s.Trees
	sum.Attached += s.Attached
	sum.Temporary += s.Temporary
	sum.Children += s.Children
	sum.Depth = max(sum.Depth, s.Depth)
	sum.Viewers += s.Viewers
}

// arrived counts a piece that came to a viewer.
func (w *world) arrived(from, to *peer, via wire.Via, size int, fresh bool) {
	if w.q.now < w.sc.Warmup {
		if from.role == wire.RoleViewer {
			w.m.secondViewers += uint64(size)
		} else {
			w.m.secondEdges += uint64(size)
		}
		return
	}
	n := uint64(size)
	if from.role == wire.RoleViewer {
		w.m.fromViewers += n
		w.m.secondViewers += n
	} else {
		w.m.fromEdges += n
		w.m.secondEdges += n
	}
	switch via {
	case wire.Push:
		w.m.pushed += n
	case wire.Repair:
		w.m.repaired += n
	case wire.Rescue:
		w.m.rescued += n
	}
	if !fresh {
		w.m.duplicate += n
	}
	if to.lan >= 0 && from.lan != to.lan {
		w.m.entered += n
	}
}

// second closes a second of the run.
func (w *world) second() {
	m := &w.m
	s := Second{
		T: int(w.q.now / time.Second), Viewers: len(w.tracker.viewers),
		Offload: share(m.secondViewers, m.secondViewers+m.secondEdges),
		LagP50:  m.lagNow.quantile(0.5), LagP99: m.lagNow.quantile(0.99),
	}
	m.seconds = append(m.seconds, s)
	if w.q.now > w.sc.Warmup {
		m.lag.merge(&m.lagNow)
	}
	m.lagNow = histogram{}
	m.secondViewers, m.secondEdges = 0, 0
	if w.progress != nil {
		w.stop = w.progress(w.q.now, s)
	}
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
