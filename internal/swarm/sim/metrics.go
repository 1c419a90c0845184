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
	badPieces, expired           uint64
	dialFailed, dialed           uint64
	seconds                      []Second
	machines                     machines // sums of the viewers'
	expected, onTime             uint64
	missed, stalls, stalledPeers uint64
	early                        uint64 // stalls of viewers whose first picture does not count
	stalledTime                  time.Duration
	judged                       uint64        // viewers
	judgedTime                   time.Duration // of viewers that played
	waiting                      int           // viewers without a picture at the end
	violations                   int
	violation                    string
	violated                     time.Duration // when that was first
}

// machines are sums over machines.
type machines struct {
	Requests, Timeouts, Lacks, Moves, Loops, Nonsense uint64
	Trees, Attached, Temporary, Children, Viewers     int
	Depth                                             int // of the deepest
}

// take adds what another worker has counted.
func (m *metrics) take(o *metrics) {
	m.first.merge(&o.first)
	for _, c := range [][2]*uint64{
		{&m.fromViewers, &o.fromViewers}, {&m.fromEdges, &o.fromEdges}, {&m.pushed, &o.pushed},
		{&m.repaired, &o.repaired}, {&m.rescued, &o.rescued}, {&m.duplicate, &o.duplicate}, {&m.bad, &o.bad},
		{&m.control, &o.control}, {&m.entered, &o.entered}, {&m.badPieces, &o.badPieces}, {&m.expired, &o.expired},
		{&m.dialFailed, &o.dialFailed}, {&m.dialed, &o.dialed}, {&m.expected, &o.expected}, {&m.onTime, &o.onTime},
		{&m.missed, &o.missed}, {&m.stalls, &o.stalls}, {&m.stalledPeers, &o.stalledPeers}, {&m.early, &o.early}, {&m.judged, &o.judged},
	} {
		*c[0] += *c[1]
	}
	m.stalledTime += o.stalledTime
	m.judgedTime += o.judgedTime
	m.waiting += o.waiting
	if o.violations > 0 && (m.violations == 0 || o.violated < m.violated) {
		m.violation, m.violated = o.violation, o.violated
	}
	m.violations += o.violations
	m.machines.merge(&o.machines)
}

// merge adds what another worker has summed up.
func (sum *machines) merge(o *machines) {
	sum.Requests += o.Requests
	sum.Timeouts += o.Timeouts
	sum.Lacks += o.Lacks
	sum.Moves += o.Moves
	sum.Loops += o.Loops
	sum.Nonsense += o.Nonsense
	sum.Trees += o.Trees
	sum.Attached += o.Attached
	sum.Temporary += o.Temporary
	sum.Children += o.Children
	sum.Viewers += o.Viewers
	sum.Depth = max(sum.Depth, o.Depth)
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
func (m *metrics) gone(w *world, p *peer, now time.Duration) {
	pl := &p.player
	pl.judge(w, now)
	m.expected += pl.expected
	m.onTime += pl.onTime
	m.judged++
	m.missed += uint64(pl.missed)
	m.stalls += uint64(pl.stalls)
	m.stalledTime += pl.stalled
	if pl.stalls > 0 {
		m.stalledPeers++
	}
	if from := max(pl.first+settle, w.sc.Warmup); pl.settled && now > from {
		m.judgedTime += now - from
	}
	if p.machine == nil {
		return
	}
	m.machines.add(p.machine.Stats())
}

// add takes what there is of one machine.
func (sum *machines) add(s swarm.Stats) {
	sum.merge(&machines{
		Requests: s.Requests, Timeouts: s.Timeouts, Lacks: s.Lacks, Moves: s.Moves.Total(), Loops: s.Loops, Nonsense: s.Nonsense,
		Trees: s.Trees, Attached: s.Attached, Temporary: s.Temporary, Children: s.Children, Viewers: s.Viewers, Depth: s.Depth,
	})
}

// arrived counts a piece that came to a viewer.
func (k *worker) arrived(sender uint32, to *peer, via wire.Via, fresh bool) {
	m, n := &k.m, uint64(k.w.sc.Stream.Piece)
	from, at := &k.w.sites[sender], &k.w.sites[to.index]
	if from.role == wire.RoleViewer {
		m.secondViewers += n
	} else {
		m.secondEdges += n
	}
	if k.now < k.w.sc.Warmup {
		return
	}
	if from.role == wire.RoleViewer {
		m.fromViewers += n
	} else {
		m.fromEdges += n
	}
	switch via {
	case wire.Push:
		m.pushed += n
	case wire.Repair:
		m.repaired += n
	case wire.Rescue:
		m.rescued += n
	}
	if !fresh {
		m.duplicate += n
	}
	if at.lan >= 0 && from.lan != at.lan {
		m.entered += n
	}
}

// second closes a second of the run.
func (w *world) second(now time.Duration) error {
	var viewers, edges uint64
	var lag histogram
	for _, k := range w.g.workers {
		viewers += k.m.secondViewers
		edges += k.m.secondEdges
		lag.merge(&k.m.lagNow)
		k.m.secondViewers, k.m.secondEdges, k.m.lagNow = 0, 0, histogram{}
	}
	s := Second{
		T: int(now / time.Second), Viewers: len(w.tracker.viewers), Offload: share(viewers, viewers+edges),
		LagP50: lag.quantile(0.5), LagP99: lag.quantile(0.99),
	}
	w.m.seconds = append(w.m.seconds, s)
	if now > w.sc.Warmup {
		w.m.lag.merge(&lag)
	}
	if w.progress == nil {
		return nil
	}
	return w.progress(now, s)
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
