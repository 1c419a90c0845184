// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"time"

	"p2plive/internal/wire"
)

// Result is what a run came to. Times are in milliseconds, shares from 0 to 1.
type Result struct {
	Scenario string  `json:"scenario"`
	P2P      bool    `json:"p2p"`
	Seed     uint64  `json:"seed"`
	Viewers  int     `json:"viewers"` // at the end
	Seconds  float64 `json:"seconds"` // of stream

	LagP50     int     `json:"lag_p50_ms"` // from the cut of a piece until a viewer has it
	LagP95     int     `json:"lag_p95_ms"`
	LagP99     int     `json:"lag_p99_ms"`
	BoundP99   float64 `json:"bound_p99_ms"` // of the lower bound
	Bound      float64 `json:"bound_ms"`     // until the last viewer has the piece
	TimesBound float64 `json:"times_bound"`  // LagP99 / Bound

	Offload    float64 `json:"offload"`
	OffloadMax float64 `json:"offload_max"` // Kumar and Ross
	OnTime     float64 `json:"on_time"`     // share of pieces that came within the buffer
	Missed     uint64  `json:"fragments_missed"`
	Stalls     uint64  `json:"stalls"`
	Stalled    uint64  `json:"stalled_viewers"`
	StallMs    int64   `json:"stall_ms"`
	Early      *uint64 `json:"early_stalls,omitempty"` // of viewers that were there before a crowd; nil if none came
	Continuity float64 `json:"continuity"`             // share of the time in which the picture moved

	FirstP50 int `json:"first_p50_ms"` // from coming to the first picture
	FirstP95 int `json:"first_p95_ms"`
	FirstMax int `json:"first_max_ms"`
	Waiting  int `json:"waiting"` // viewers that still have no picture

	Pushed     float64 `json:"pushed"` // shares of the media bytes
	Repaired   float64 `json:"repaired"`
	Rescued    float64 `json:"rescued"`
	Duplicates float64 `json:"duplicates"`
	Control    float64 `json:"control"`
	Polluted   float64 `json:"polluted"`

	BadPieces   uint64  `json:"bad_pieces"` // came, were found out and dropped with the session
	LANCopies   float64 `json:"lan_copies,omitempty"`
	DialsFailed float64 `json:"dials_failed"` // share of dials
	Depth       int     `json:"depth"`        // of the deepest viewer at the end
	Neighbours  float64 `json:"neighbours"`
	Attached    float64 `json:"attached"` // share of places in trees that are taken at the end
	Moves       uint64  `json:"moves"`
	Loops       uint64  `json:"loops"`
	Violations  int     `json:"violations"` // commands that cannot be carried out
	Violation   string  `json:"violation,omitempty"`

	Timeline []Second   `json:"timeline"`
	LagCDF   []CDFPoint `json:"lag_cdf"`
}

// CDFPoint tells the share of pieces whose lag is not above a time.
type CDFPoint struct {
	Ms    int     `json:"ms"`
	Share float64 `json:"share"`
}

// Options changes how a scenario is run.
type Options struct {
	// Off turns P2P off and gives every viewer all it wants from an edge.
	Off bool
	// Cores is how many are used; 0 stands for all. The result does not depend on it.
	Cores int
	// Progress, if not nil, is called after each second of the run. An error
	// that it returns ends the run.
	Progress func(at time.Duration, s Second) error

	share bool // also windows with a single event are for all cores
}

// Run simulates a scenario. It takes all chance from the scenario's seed.
func Run(sc Scenario, opt Options) (*Result, error) {
	if err := sc.Validate(); err != nil {
		return nil, err
	}
	w := newWorld(sc, opt)
	if err := w.run(); err != nil {
		return nil, err
	}
	return w.result(), nil
}

func (w *world) result() *Result {
	m := &w.m
	media := m.fromViewers + m.fromEdges
	r := &Result{
		Scenario: w.sc.Name, P2P: !w.off, Seed: w.sc.Seed,
		Viewers: len(w.tracker.viewers), Seconds: w.sc.Duration.Seconds(),
		LagP50: m.lag.quantile(.5), LagP95: m.lag.quantile(.95), LagP99: m.lag.quantile(.99),
		Offload: share(m.fromViewers, media), OffloadMax: w.offloadMax(),
		OnTime: 1, Missed: m.missed, Stalls: m.stalls, Stalled: m.stalledPeers, StallMs: m.stalledTime.Milliseconds(),
		Continuity: 1,
		FirstP50:   m.first.quantile(.5), FirstP95: m.first.quantile(.95), FirstMax: m.first.quantile(1), Waiting: m.waiting,
		Pushed: share(m.pushed, media), Repaired: share(m.repaired, media), Rescued: share(m.rescued, media),
		Duplicates: share(m.duplicate, media), Control: share(m.control, media), Polluted: share(m.bad, media),
		BadPieces: m.badPieces, DialsFailed: share(m.dialFailed, m.dialed+m.dialFailed),
		Depth: m.machines.Depth, Moves: m.machines.Moves, Loops: m.machines.Loops,
		Neighbours: float64(m.machines.Viewers) / float64(max(m.judged, 1)),
		Attached:   float64(m.machines.Attached) / float64(max(m.machines.Trees, 1)),
		Violations: m.violations, Violation: m.violation, Timeline: m.seconds,
	}
	if w.sc.Flash != nil {
		r.Early = &m.early
	}
	if m.expected > 0 {
		r.OnTime = share(m.onTime, m.expected)
		lost := m.stalledTime + time.Duration(m.missed)*w.interval
		r.Continuity = 1 - min(float64(lost)/float64(max(m.judgedTime, 1)), 1)
	}
	b := w.bound()
	r.Bound, r.BoundP99 = b.Max.Seconds()*1000, b.P99.Seconds()*1000
	r.TimesBound = float64(r.LagP99) / max(r.Bound, 1)
	if w.sc.LANSize > 0 {
		lans := (w.sc.Peers + w.sc.LANSize - 1) / w.sc.LANSize
		rate := float64(w.sc.Stream.Kbit) * 125
		r.LANCopies = float64(m.entered) / rate / (w.sc.Duration - w.sc.Warmup).Seconds() / float64(lans)
	}
	r.LagCDF = m.lag.cdf()
	return r
}

// cdf returns the lag's distribution in few enough points to draw.
func (h *histogram) cdf() []CDFPoint {
	var points []CDFPoint
	var sum uint64
	last := -1.0
	for i, n := range h.bins {
		sum += n
		if s := share(sum, h.total); n > 0 && (s-last >= 0.0025 || sum == h.total) {
			points = append(points, CDFPoint{i, s})
			last = s
		}
	}
	return points
}

// bound returns the lower bound for the viewers that are there at the end.
func (w *world) bound() Bound {
	bits := (w.sc.Stream.Piece + wire.PieceOverhead) * 8
	var slots []time.Duration
	for _, p := range w.peers {
		if p.role == wire.RoleViewer && p.alive {
			slot := never / 4
			if !p.leaf && !p.bad {
				slot = time.Duration(int64(bits) * int64(time.Second) / p.up.rate)
			}
			slots = append(slots, slot)
		}
	}
	copies, slot := len(slots), time.Duration(0)
	if c := w.sc.Edges.Copies * float64(w.sc.Edges.Count); c > 0 {
		copies = min(int(c), copies)
		slot = time.Duration(float64(bits) / (c * float64(w.sc.Stream.Kbit)) * float64(time.Millisecond))
	}
	return lowerBound(slots, sends{copies, slot}, w.sc.Latency.mean())
}

// offloadMax returns the largest share that viewers can carry: all but one
// copy, if their uplinks are enough.
func (w *world) offloadMax() float64 {
	n, up := 0, 0.0
	for _, p := range w.peers {
		if p.role == wire.RoleViewer && p.alive {
			n++
			if !p.leaf && !p.bad {
				up += float64(p.up.rate)
			}
		}
	}
	if n == 0 {
		return 0
	}
	need := float64(n) * float64(w.sc.Stream.Kbit) * 1000
	return 1 - max(1/float64(n), 1-up/need)
}
