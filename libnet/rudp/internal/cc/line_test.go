// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"testing"
	"time"
)

// On a line that is known who is to get three times as much as others gets it, also over a longer path: what all see
// of a queue is the line's, and keeps no session's window small. Where the line is taken for more than it is, its
// queue stays short nevertheless.
func TestKnownLine(t *testing.T) {
	for _, tt := range []struct {
		name            string
		believed, asked float64 // of what the line carries
	}{{"known", 1, 0.97}, {"taken for more", 1.12, 1.1}} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(5) {
				s := newSim(seed)
				l := path(s, 5, 50*ms, 200*ms, 0.01)
				h := newHost(s)
				h.pacer.SetLine(s.now, 1.05*tt.believed*l.rate/8)
				var flows []*flow
				for i := range 8 {
					s.run(time.Duration(s.rand.IntN(100)) * ms)
					f := newFlow(l, Home())
					f.rate = tt.asked * l.rate / 8 * flowPayload / flowSize / 10
					if i == 0 {
						f.rate *= 3
						f.jitter = 120 * ms
					}
					h.add(f, Newest)
					flows = append(flows, f)
				}
				s.run(5 * time.Second)
				measureAll(l, flows...)
				s.run(20 * time.Second)
				for i, f := range flows {
					if got := float64(f.goodput) / 20 / f.rate * max(tt.asked, 1); got < 0.95 {
						t.Errorf("seed %d: session %d got %.2f of what it was to", seed, i, got)
					}
				}
				p95 := percentile(l.delays, 0.95)
				t.Logf("seed %d: usage %.2f, queue %v, p95 %v; windows %d %d", seed, l.usage(), l.standing(), p95, flows[0].ctl.Window(), flows[1].ctl.Window())
				if p95 > 60*ms {
					t.Errorf("seed %d: a queue of %v", seed, p95)
				}
			}
		})
	}
}

// Sessions on a line that is known give way to who fills it.
func TestKnownLineBesideTCP(t *testing.T) {
	for seed := range uint64(5) {
		s := newSim(seed)
		l := path(s, 5, 50*ms, 200*ms, 0)
		h := newHost(s)
		h.pacer.SetLine(s.now, 1.05*l.rate/8)
		var flows []*flow
		for range 4 {
			f := newFlow(l, Home())
			h.add(f, Newest)
			flows = append(flows, f)
		}
		s.run(10 * time.Second)
		other := newTCP(l)
		s.run(10 * time.Second)
		measureAll(l, flows...)
		before := other.delivered
		s.run(20 * time.Second)
		own, tcp := mbit(20*time.Second, flows...), float64(other.delivered-before)*8/20/1e6
		t.Logf("seed %d: %.2f and %.2f Mbit/s", seed, own, tcp)
		if tcp < 3 {
			t.Errorf("seed %d: TCP has %.2f Mbit/s beside %.2f", seed, tcp, own)
		}
	}
}

// What all sessions see is the line's queue, what one of them sees is its own. It is drained on a line that is known,
// and is none of the past once the host has paused.
func TestLineQueue(t *testing.T) {
	now := time.Hour
	p := NewPacer(now)
	feed := func(d time.Duration, delays ...time.Duration) {
		for end := now + d; now < end; now += 10 * ms {
			for _, delay := range delays {
				p.OnDelivered(now, 10_000/len(delays), Estimates{Queue: delay, Delay: delay, MinRTT: 30 * ms})
			}
			p.Next(now)
		}
	}
	check := func(what string, queue time.Duration, rate float64) {
		t.Helper()
		if q := p.LineQueue(); q != queue {
			t.Errorf("%s: a queue of %v, want %v", what, q, queue)
		}
		within(t, what, p.Rate(), rate, 0.02)
	}
	feed(time.Second, 30*ms, 40*ms)
	check("a line that is not known", 0, 1.25e6)
	p.SetLine(now, 1.2e6)
	check("seen by all", 30*ms, 0.85e6)
	feed(time.Second, 0, 40*ms)
	check("seen by one", 0, 1.2e6)
	feed(time.Second, 8*ms, 12*ms)
	check("a short one", 8*ms, 1.2e6)
	feed(time.Second, 150*ms)
	check("a long one", 150*ms, 0.5e6)
	now += time.Second
	p.Next(now)
	now += time.Second
	p.Next(now)
	check("after a pause", 0, 1.2e6)
}
