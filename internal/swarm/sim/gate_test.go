// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"math/rand/v2"
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
		q := newQueue()
		links := make([]uplink, n+1) // 0 is the edge
		for i := range links {
			links[i].rate = bytes * 8
		}
		next, last := uint32(1), time.Duration(0)
		send := func(from uint32) {
			if int(next) > n {
				return
			}
			q.add(event{at: links[from].send(q.now, bytes), kind: evPiece, from: from, to: next})
			next++
		}
		send(0)
		for {
			e, ok := q.next(time.Hour)
			if !ok {
				break
			}
			last = e.at
			send(e.to) // the new holder's first copy
			if e.from != 0 {
				send(e.from)
			}
		}
		if last != slots*slot || int(next) != n+1 {
			t.Errorf("%d viewers: %v, want %v", n, last, slots*slot)
		}
		n *= 10
	}
}

// TestQueueOrder holds the calendar queue to a plain sorted order.
func TestQueueOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	q := newQueue()
	for i := range 2000 {
		q.add(event{at: time.Duration(rng.Int64N(int64(5 * time.Second))), arg: uint32(i)})
	}
	n, last := 0, event{}
	for {
		e, ok := q.next(time.Minute)
		if !ok {
			break
		}
		if e.before(&last) || q.now != e.at {
			t.Fatalf("event %d at %v comes after %d at %v", e.order, e.at, last.order, last.at)
		}
		last = e
		if n++; n < 20000 && rng.IntN(10) < 9 {
			far := int64(50 * time.Millisecond)
			if rng.IntN(10) == 0 {
				far = int64(3 * time.Second)
			}
			q.add(event{at: q.now + time.Duration(rng.Int64N(far))})
		}
	}
	if n < 2000 || q.size != 0 || q.now != time.Minute {
		t.Errorf("%d events came out, %d are left, now %v", n, q.size, q.now)
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
