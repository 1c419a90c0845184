// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// engine runs events in windows of virtual time, none longer than what it takes
// to get from one peer to another. So what a peer does in a window reaches only
// itself there, and peers can be run one after another, each with all of its
// events while its memory is at hand, and by several workers at once: group by
// group, so that the events of one are at hand too. Events of a peer are ordered by what other peers did; the number of workers changes
// nothing (conservative synchronisation, after Chandy and Misra).
type engine struct {
	width   time.Duration
	window  int64         // the one that is run
	end     time.Duration // of it
	alone   int           // windows with fewer events are left to the first worker
	workers []*worker
	heads   []*event        // by peer: its events in this window
	wakes   []time.Duration // by peer: when it is to get a tick, never if not
	shift   uint            // peers with the same number above these bits are a group
	turn    atomic.Int64    // next group to be run
	running sync.WaitGroup
	do      func(*worker, *event)
	ahead   func(*worker, []uint32) int // reads what peers need that are run next; may be nil
}

// nobody is no peer's number.
const nobody = ^uint32(0)

const (
	// A group has between leastGroup peers, more than fit in one cache line of
	// wakes, and mostGroup, whose events in a window fit into a core's cache. In
	// between, each worker has workerGroups of them, for all to end together.
	leastGroup   = 32
	mostGroup    = 2048
	workerGroups = 8
	// aheadPeers are read together before they are run: what they need fits in a
	// core's cache, and more of it cannot be on its way from memory at a time.
	aheadPeers = 16
	// fewEvents are run before others have woken.
	fewEvents = 200
)

// newEngine makes an engine for a number of peers.
func newEngine(width time.Duration, peers, workers int, do func(*worker, *event)) *engine {
	g := &engine{width: width, alone: fewEvents, heads: make([]*event, peers), wakes: slices.Repeat([]time.Duration{never}, peers), do: do}
	for size := leastGroup; size < mostGroup && peers/size > workerGroups*max(workers, 1); size *= 2 {
		g.shift++
	}
	g.shift += uint(bits.Len(leastGroup - 1))
	for range max(workers, 1) {
		k := &worker{g: g, self: nobody, begin: make(chan struct{}, 1)}
		k.wheel.g = g
		g.workers = append(g.workers, k)
	}
	return g
}

func (g *engine) groupOf(peer uint32) int { return int(peer >> g.shift) }

func (g *engine) groups() int { return g.groupOf(uint32(len(g.heads)-1)) + 1 }

// run runs all windows up to a time. Before each, what belongs to nobody is
// done: no worker runs then, and events may be posted to anybody.
func (g *engine) run(until time.Duration, between func(now time.Duration) error) error {
	stop := g.start()
	defer stop()
	for g.window = 0; ; g.window++ {
		now := time.Duration(g.window) * g.width
		if now > until {
			return nil
		}
		g.end = min(now+g.width, until+1)
		g.workers[0].now = now
		if err := between(now); err != nil {
			return err
		}
		n := g.open()
		g.turn.Store(0)
		if n >= g.alone {
			g.runParallel()
		} else {
			g.workers[0].work()
		}
		for _, k := range g.workers {
			k.wheel.close(g.window)
			k.self = nobody
		}
	}
}

// start starts the workers beside the first, and returns what ends them.
func (g *engine) start() (stop func()) {
	var ended sync.WaitGroup
	for _, k := range g.workers[1:] {
		ended.Go(func() {
			for range k.begin {
				k.work()
				g.running.Done()
			}
		})
	}
	return func() {
		for _, k := range g.workers[1:] {
			close(k.begin)
		}
		ended.Wait()
	}
}

func (g *engine) runParallel() {
	others := g.workers[1:]
	g.running.Add(len(others))
	for _, k := range others {
		k.begin <- struct{}{}
	}
	g.workers[0].work()
	g.running.Wait()
}

// open prepares the window, and returns how many events it has.
func (g *engine) open() int {
	n := 0
	for _, k := range g.workers {
		n += k.wheel.open(g.window)
	}
	return n
}

// handOut hands a group's events in the window to their peers.
func (g *engine) handOut(group int) {
	for _, k := range g.workers {
		for p := k.wheel.pages(g.window, group); p != nil; p = p.next {
			for i := range p.events[:p.n] {
				e := &p.events[i]
				e.next = g.heads[e.to]
				g.heads[e.to] = e
			}
		}
	}
}

func (g *engine) windowOf(e *event) int64 { return int64(e.at / g.width) }

// worker runs peers, one at a time.
type worker struct {
	g     *engine
	begin chan struct{}
	now   time.Duration
	self  uint32 // who is run, nobody between windows
	wheel wheel
	next  []uint32 // peers to be run next
	read  int      // what was read ahead, for nothing but to have it at hand
	batch []*event // the events of the one that is run
	event event    // that happens now
	own   heap4    // and those that it has caused itself in this window
	part           // of the world
}

// post has an event happen. A time in the past means now. Within the present
// window only the peer that is run can be reached, and that is itself.
func (k *worker) post(e *event) {
	e.at = max(e.at, k.now)
	window := k.g.windowOf(e)
	switch {
	case window > k.g.window || k.self == nobody:
		k.wheel.put(e, window, k.g.window)
	case e.to == k.self:
		k.own.push(*e)
	default:
		panic("sim: a peer reaches another one sooner than it can")
	}
}

// work runs peers until all of the window were run.
func (k *worker) work() {
	g := k.g
	for {
		group := int(g.turn.Add(1)) - 1
		if group >= g.groups() {
			return
		}
		g.handOut(group)
		for i := group << g.shift; i < min((group+1)<<g.shift, len(g.heads)); i++ {
			if g.heads[i] != nil || g.wakes[i] < g.end {
				k.next = append(k.next, uint32(i))
			}
			if len(k.next) == aheadPeers {
				k.runNext()
			}
		}
		k.runNext()
	}
}

// runNext runs the peers that are next.
func (k *worker) runNext() {
	if k.g.ahead != nil {
		for _, i := range k.next {
			for e := k.g.heads[i]; e != nil; e = e.next {
				k.read += int(e.at)
			}
		}
		k.read += k.g.ahead(k, k.next)
	}
	for _, i := range k.next {
		list := k.g.heads[i]
		k.g.heads[i] = nil
		k.runPeer(i, list)
	}
	k.next = k.next[:0]
}

// runPeer runs one peer through the window.
func (k *worker) runPeer(i uint32, list *event) {
	k.self, k.batch = i, k.batch[:0]
	for e := list; e != nil; e = e.next {
		k.batch = append(k.batch, e)
	}
	sortEvents(k.batch)
	k.now = time.Duration(k.g.window) * k.g.width
	for n := 0; ; {
		e := &k.event
		switch wake := max(k.g.wakes[i], k.now); {
		case n < len(k.batch) && k.batch[n].at <= wake && !k.sooner(k.batch[n]):
			*e = *k.batch[n]
			k.batch[n].msg = nil
			n++
		case len(k.own) > 0 && k.own[0].at <= wake:
			*e = k.own.pop()
		default:
			*e = event{at: wake, to: i, kind: evTick}
		}
		if e.at >= k.g.end {
			k.own = k.own[:0] // the run ends within the window
			return
		}
		if k.now = e.at; e.kind == evTick {
			k.g.wakes[i] = never
		}
		k.g.do(k, e)
	}
}

// sooner reports whether an own event comes before another one.
func (k *worker) sooner(e *event) bool { return len(k.own) > 0 && k.own[0].before(e) }

// sortEvents sorts what are mostly a handful of events.
func sortEvents(list []*event) {
	if len(list) > 16 {
		slices.SortFunc(list, func(a, b *event) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
		return
	}
	for i := 1; i < len(list); i++ {
		e := list[i]
		j := i
		for ; j > 0 && e.before(list[j-1]); j-- {
			list[j] = list[j-1]
		}
		list[j] = e
	}
}
