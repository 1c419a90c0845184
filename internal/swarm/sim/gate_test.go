// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestIdealSchedule drives the simulator's clock and uplinks with the best
// schedule for one piece: no latency, an uplink of one stream each and an edge
// that sends one copy. It takes ceil(log2 N)+1 slots (Abeni and Kiraly).
func TestIdealSchedule(t *testing.T) {
	t.Parallel()
	const slot, bytes = time.Second, 1000
	n := 1000
	for _, slots := range []time.Duration{11, 15, 18, 21} {
		links := make([]uplink, n+1) // 0 is the edge
		for i := range links {
			links[i].rate = bytes * 8
		}
		next, last := uint32(1), time.Duration(0)
		send := func(k *worker, from uint32) {
			if int(next) <= n {
				k.post(&event{at: links[from].send(k.now, bytes), kind: evPiece, from: from, to: next, seq: next})
				next++
			}
		}
		g := newEngine(slot, n+1, 1, func(k *worker, e *event) {
			last = max(last, e.at)
			send(k, e.to) // the new holder's first copy
			if e.from != 0 {
				send(k, e.from)
			}
		})
		send(g.workers[0], 0)
		if err := g.run(30*slot, func(time.Duration) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if last != slots*slot || int(next) != n+1 {
			t.Errorf("%d viewers: %v, want %v", n, last, slots*slot)
		}
		n *= 10
	}
}

// TestOrder has peers cause events at each other and at themselves, at times
// that are often the same. Each peer's come in order, none is lost, and the
// number of workers changes nothing.
func TestOrder(t *testing.T) {
	t.Parallel()
	const width, peers, end = 10 * time.Millisecond, 100, 4 * time.Second
	run := func(workers int) []uint64 {
		type state struct {
			last event
			rng  *rand.Rand
			n    uint32
			log  uint64
		}
		states := make([]state, peers)
		g := newEngine(width, peers, workers, func(k *worker, e *event) {
			s := &states[e.to]
			// What a peer causes itself at once comes last.
			early := e.from != e.to && e.kind != evTick && e.before(&s.last)
			if early || e.at < s.last.at || k.now != e.at {
				t.Errorf("event %d of peer %d at %v comes after %d of peer %d at %v", e.seq, e.from, e.at, s.last.seq, s.last.from, s.last.at)
			}
			if e.kind == evTick {
				s.log = mix(s.log ^ uint64(e.at))
				return
			}
			s.last = *e
			s.log = mix(s.log ^ uint64(e.from)<<32 ^ uint64(e.seq) ^ uint64(e.at)<<20)
			k.g.wakes[e.to] = e.at + time.Duration(s.rng.IntN(30))*time.Millisecond
			for range 1 + (s.rng.IntN(20)+1)/20 {
				s.n++
				to, after := uint32(s.rng.IntN(peers)), width+time.Duration(s.rng.IntN(10))*width/4
				switch s.rng.IntN(20) {
				case 0:
					after += 12 * time.Second // beyond the wheel, and the run
				case 1:
					after += 3 * time.Second
				case 2, 3:
					to, after = e.to, time.Duration(s.rng.IntN(4))*width/4
				}
				k.post(&event{at: e.at + after, from: e.to, to: to, seq: s.n})
			}
		})
		g.alone = 0
		for i := range states {
			s := &states[i]
			s.rng = rand.New(rand.NewPCG(uint64(i), 1))
			s.n = 1
			g.workers[0].post(&event{from: uint32(i), to: uint32(i), seq: 1})
		}
		if err := g.run(end, func(time.Duration) error { return nil }); err != nil {
			t.Fatal(err)
		}
		logs := make([]uint64, peers)
		for i := range states {
			logs[i] = states[i].log
		}
		return logs
	}
	first := run(1)
	for _, workers := range []int{2, 3, 7} {
		if !slices.Equal(run(workers), first) {
			t.Errorf("%d workers come to something else than one", workers)
		}
	}
}

func TestLosses(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	const runs, n, p = 100_000, 14, 0.01
	retried, again := 0, 0
	for range runs {
		r, a := losses(rng.Float64, n, p)
		if r > 0 {
			retried++
		}
		again += a
	}
	// 1-0.99^14 = 13.1%; each datagram is sent p/(1-p) times again.
	if share := float64(retried) / runs; share < 0.128 || share > 0.135 {
		t.Errorf("%.4f of the messages lost a datagram, want 0.131", share)
	}
	if share := float64(again) / (runs * n); share < 0.0097 || share > 0.0105 {
		t.Errorf("%.4f of the datagrams were sent again, want 0.0101", share)
	}
}
