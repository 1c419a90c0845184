// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"slices"
	"time"

	"p2plive/internal/wire"
)

// watch looks for cycles four times a second. Two peers that move at the same
// time can close one; it must be open again within a second.
func (w *world) watch() {
	for track := range wire.TrackID(3) {
		for sub := range wire.Substream(w.video.substreams) {
			tree := wire.Tree{Track: track, Substream: sub}
			if !w.cycle(tree) {
				w.cycles[tree] = 0
				continue
			}
			if w.cycles[tree]++; w.cycles[tree] == 5 {
				w.t.Errorf("%v: a cycle in tree %v has lasted for a second", w.now, tree)
			}
		}
	}
	w.at(w.now+250*time.Millisecond, w.watch)
}

func (w *world) cycle(tree wire.Tree) bool {
	for _, p := range w.viewers() {
		at := p
		for range w.peers {
			tr := at.m.tree(tree)
			if tr == nil || tr.parent == nil {
				break
			}
			if at = w.byID[tr.parent.id()]; at == p {
				return true
			}
		}
	}
	return false
}

// count starts the counting of bytes and lags anew.
func (w *world) count() {
	w.countFrom = w.now
	w.control, w.media, w.fromEdge, w.fromViewers, w.pieces, w.dups = 0, 0, 0, 0, 0, 0
	for _, p := range w.peers {
		p.lags = nil
	}
}

func (w *world) offload() float64 {
	return float64(w.fromViewers) / float64(max(w.fromViewers+w.fromEdge, 1))
}

func (w *world) duplicates() float64 { return float64(w.dups) / float64(max(w.pieces, 1)) }

// viewers returns the viewers that are alive.
func (w *world) viewers() []*simPeer {
	var list []*simPeer
	for _, p := range w.peers {
		if p.info.Role == wire.RoleViewer && p.alive && !p.mute {
			list = append(list, p)
		}
	}
	return list
}

func (w *world) missed() int {
	n := 0
	for _, p := range w.viewers() {
		n += p.missed
	}
	return n
}

// complete checks that all viewers have got everything up to a second ago.
func (w *world) complete() {
	w.t.Helper()
	for i, p := range w.viewers() {
		if w.t.Failed() && i > 5 {
			return
		}
		for track, made := range w.made {
			behind := wire.Seq(35)
			if track == 2 {
				behind = 14
			}
			log := p.delivered[track]
			if len(log) == 0 || log[len(log)-1]+behind < made {
				last := wire.Seq(0)
				if len(log) > 0 {
					last = log[len(log)-1]
				}
				w.t.Errorf("viewer %d: track %d is at %d of %d; %+v", i, track, last, made, p.m.Stats())
			}
		}
	}
}

// report logs the figures of a scenario.
func (w *world) report() {
	w.t.Helper()
	var lags, firsts []time.Duration
	temporary, depth, moves, loops := 0, 0, uint64(0), uint64(0)
	var rescued, repaired, timeouts uint64
	for _, p := range w.viewers() {
		lags = append(lags, p.lags...)
		firsts = append(firsts, p.first)
		s := p.m.Stats()
		temporary += s.Temporary
		depth = max(depth, s.Depth)
		moves += s.Moves.Total()
		loops += s.Loops
		rescued += s.Rescued
		repaired += s.Repaired
		timeouts += s.Timeouts
	}
	slices.Sort(lags)
	slices.Sort(firsts)
	q := func(d []time.Duration, p float64) time.Duration {
		if len(d) == 0 {
			return 0
		}
		return d[min(int(p*float64(len(d))), len(d)-1)].Round(time.Millisecond)
	}
	w.t.Logf("viewers %d: offload %.3f, duplicates %.4f, control %.4f, missed %d, lag p50 %v p95 %v p99 %v max %v, "+
		"first p50 %v max %v, depth %d, temporary %d, moves %d, loops %d, repaired %d, rescued %d, timeouts %d",
		len(firsts), w.offload(), w.duplicates(), float64(w.control)/float64(max(w.media, 1)), w.missed(),
		q(lags, .5), q(lags, .95), q(lags, .99), q(lags, 1), q(firsts, .5), q(firsts, 1),
		depth, temporary, moves, loops, repaired, rescued, timeouts)
}
