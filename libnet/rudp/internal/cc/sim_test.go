// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// sim is a deterministic world of events in virtual time.
type sim struct {
	now    time.Duration
	events eventHeap
	n      uint64
	rand   *rand.Rand
}

type event struct {
	at time.Duration
	n  uint64 // order among equals
	do func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].n < h[j].n
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}

func newSim(seed uint64) *sim {
	// An epoch away from zero, and at no multiple of anything.
	return &sim{now: 1234567891 * time.Microsecond, rand: rand.New(rand.NewPCG(seed, 1))}
}

func (s *sim) at(t time.Duration, do func()) {
	s.n++
	heap.Push(&s.events, event{max(t, s.now), s.n, do})
}

func (s *sim) after(d time.Duration, do func()) { s.at(s.now+d, do) }

// run lets time pass.
func (s *sim) run(d time.Duration) {
	end := s.now + d
	for len(s.events) > 0 && s.events[0].at <= end {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
	}
	s.now = end
}

// link is a bottleneck with a drop-tail queue, and the way back, which has no queue.
type link struct {
	*sim
	rate  float64 // bit/s
	delay time.Duration
	queue int // bytes
	loss  float64
	dead  bool
	// wobble is by how much the delay varies, without reordering: uniformly, and anew each hold.
	wobble, hold time.Duration
	wobbled      time.Duration // the present one
	wobbledUntil time.Duration
	lastOut      time.Duration

	waiting []packetInLink
	queued  int
	dropped int

	// The standing queue, as an integral over time since reset.
	area   float64 // byte seconds
	peak   int
	last   time.Duration
	since  time.Duration
	seen   int // bytes that have left
	busy   bool
	delays []time.Duration // of a probe every 10 ms
}

type packetInLink struct {
	size    int
	arrived func()
}

// send puts a packet in; arrived is called at the far end.
func (l *link) send(size int, arrived func()) {
	if l.busy && l.queued+size > l.queue {
		l.dropped++
		return
	}
	l.account()
	l.queued += size
	l.waiting = append(l.waiting, packetInLink{size, arrived})
	l.peak = max(l.peak, l.queued)
	l.next()
}

func (l *link) next() {
	if l.busy || len(l.waiting) == 0 {
		return
	}
	p := l.waiting[0]
	l.waiting = l.waiting[1:]
	l.busy = true
	l.account()
	l.queued -= p.size
	l.after(time.Duration(float64(p.size)*8/l.rate*1e9), func() {
		l.busy = false
		l.seen += p.size
		if !l.dead && l.rand.Float64() >= l.loss {
			l.at(l.out(), p.arrived)
		}
		l.next()
	})
}

// out is when what leaves the queue now is at the far end.
func (l *link) out() time.Duration {
	if l.wobble > 0 && l.now >= l.wobbledUntil {
		l.wobbled = time.Duration(l.rand.Int64N(int64(l.wobble)))
		l.wobbledUntil = l.now + l.hold
	}
	l.lastOut = max(l.lastOut, l.now+l.delay+l.wobbled)
	return l.lastOut
}

// wait is how long a packet that comes now would have to.
func (l *link) wait() time.Duration { return time.Duration(float64(l.queued) * 8 / l.rate * 1e9) }

func (l *link) account() {
	l.area += float64(l.queued) * (l.now - l.last).Seconds()
	l.last = l.now
}

// measure begins the statistics of the queue anew.
func (l *link) measure() {
	l.account()
	l.area, l.since, l.peak, l.seen, l.delays = 0, l.now, l.queued, 0, nil
}

// watch looks at the queue every 10 ms from now on.
func (l *link) watch() {
	l.after(10*time.Millisecond, func() {
		l.delays = append(l.delays, l.wait())
		l.watch()
	})
}

// standing is the mean queue since measure.
func (l *link) standing() time.Duration {
	l.account()
	bytes := l.area / (l.now - l.since).Seconds()
	return time.Duration(bytes * 8 / l.rate * 1e9)
}

func (l *link) usage() float64 {
	return float64(l.seen) * 8 / (l.now - l.since).Seconds() / l.rate
}
