// SPDX-License-Identifier: GPL-3.0-or-later

package admission

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Verdict is what becomes of a viewer that asks to be let in.
type Verdict uint8

const (
	Admitted Verdict = iota + 1
	Queued           // it waits; Admit names it when its turn comes
	Refused          // there are as many waiting as may
)

// Control is the admission of one stream's viewers, which are named by keys.
// Times are counted from any fixed moment and never go back. It is not safe for
// use by several goroutines at once.
type Control[K comparable] struct {
	supply Supply
	guests map[K]*guest
	fresh  []*guest // in order of their coming, also those that are not any more
	queue  queue[K]
	stats  Stats
}

// guest is a viewer that was admitted.
type guest struct {
	came    time.Duration
	fresh   bool
	settled bool
	gives   int64 // as it counts in the supply
}

// Stats counts what a Control has done.
type Stats struct {
	Waiting int           // in the queue
	Oldest  time.Duration // how long the first of them has waited
	Served  uint64        // were admitted after they had waited
	Waited  time.Duration // they, in all
}

// New returns the admission of a stream that nobody watches yet. Until SetEdges
// is called, nobody is let in.
func New[K comparable](limits Limits) *Control[K] {
	return &Control[K]{guests: make(map[K]*guest), queue: newQueue[K](limits)}
}

// SetRate tells the stream's rate in bits a second; 0: not known.
func (c *Control[K]) SetRate(bitsPerSecond int64) { c.supply.Rate = bitsPerSecond }

// SetEdges tells how the stream's edges do.
func (c *Control[K]) SetEdges(e Edges) {
	c.supply.Edges = e
	c.age()
}

// Supply returns what there is of the stream.
func (c *Control[K]) Supply() Supply { return c.supply }

// Refuses reports whether a viewer behind an address is refused; if so, there is
// nothing to be kept of it.
func (c *Control[K]) Refuses(key K, from netip.Prefix) bool {
	if c.guests[key] != nil || c.queue.byKey[key] != nil {
		return false
	}
	return !c.open() && c.queue.full(from)
}

// open reports whether a newcomer would not have to wait.
func (c *Control[K]) open() bool { return len(c.queue.byKey) == 0 && c.supply.Room() > 0 }

// Arrive takes a viewer that asks to be let in, and is behind an address. One
// that is in already, or waits, keeps its place; the place in the queue, from
// 1, is returned too.
func (c *Control[K]) Arrive(now time.Duration, key K, from netip.Prefix) (Verdict, int) {
	if c.guests[key] != nil {
		return Admitted, 0
	}
	if w := c.queue.byKey[key]; w != nil {
		w.away = false
		return Queued, c.queue.place(w)
	}
	switch {
	case c.open():
		c.enter(now, key, true)
		return Admitted, 0
	case c.queue.full(from):
		return Refused, 0
	}
	c.queue.add(key, from, now)
	return Queued, len(c.queue.byKey)
}

// Enter lets a viewer in that has been in before and plays: it does not wait.
func (c *Control[K]) Enter(now time.Duration, key K) {
	if w := c.queue.byKey[key]; w != nil {
		c.queue.remove(w)
	}
	if c.guests[key] == nil {
		c.enter(now, key, false)
	}
}

func (c *Control[K]) enter(now time.Duration, key K, fresh bool) {
	g := &guest{came: now, fresh: fresh}
	c.guests[key] = g
	c.supply.Viewers++
	if fresh {
		c.supply.Fresh++
		c.fresh = append(c.fresh, g)
	}
}

// Report tells what a viewer can give, in bits a second, whether it has found
// its places in the trees, and whether one of them is at an edge: then the
// edges' figures have to show it before it is no newcomer any more. What it gives
// counts as soon as it is none: also if it never finds all of its places, like most
// where uplinks are short.
func (c *Control[K]) Report(key K, gives int64, settled, atEdge bool) {
	g := c.guests[key]
	if g == nil {
		return
	}
	g.settled = g.settled || settled
	if !g.settled && g.fresh {
		return
	}
	if g.settled && !atEdge {
		c.shown(g)
	}
	gives = min(max(gives, 0), maxCopies*cmp.Or(c.supply.Rate, assumedRate))
	c.supply.Gives += gives - g.gives
	g.gives = gives
}

// Leave tells that a viewer has left on purpose, or is not to be waited for.
func (c *Control[K]) Leave(key K) {
	if w := c.queue.byKey[key]; w != nil {
		c.queue.remove(w)
	}
	g := c.guests[key]
	if g == nil {
		return
	}
	c.shown(g)
	delete(c.guests, key)
	c.supply.Viewers--
	c.supply.Gives -= g.gives
}

// Lose tells that the connection to a viewer is lost. Its place in the queue is
// kept for a while.
func (c *Control[K]) Lose(now time.Duration, key K) {
	if w := c.queue.byKey[key]; w != nil {
		w.away, w.lost = true, now
		return
	}
	c.Leave(key)
}

// shown ends a guest's time as a fresh one.
func (c *Control[K]) shown(g *guest) {
	g.settle(&c.supply)
	c.compact()
}

// age ends that time for those whom the edges' figures show by now.
func (c *Control[K]) age() {
	n, now := 0, c.supply.Edges.At
	for n < len(c.fresh) && (!c.fresh[n].fresh || now-c.fresh[n].came >= freshTime) {
		c.fresh[n].settle(&c.supply)
		c.fresh[n] = nil
		n++
	}
	c.fresh = c.fresh[n:]
	c.compact()
}

func (g *guest) settle(s *Supply) {
	if g.fresh {
		g.fresh = false
		s.Fresh--
	}
}

// compact takes those out of the list who are fresh no more. While edges are
// silent one at its front stays so, and any number may come and go behind it.
func (c *Control[K]) compact() {
	if len(c.fresh) > 2*c.supply.Fresh+16 {
		c.fresh = slices.DeleteFunc(c.fresh, func(g *guest) bool { return !g.fresh })
	}
}

// Admit lets in those whose turn has come, and returns them in order.
func (c *Control[K]) Admit(now time.Duration) []K {
	c.queue.expire(now)
	var in []K
	for c.supply.Room() > 0 {
		w := c.queue.next()
		if w == nil {
			break
		}
		c.queue.remove(w)
		c.stats.Served++
		c.stats.Waited += now - w.since
		c.enter(now, w.key, true)
		in = append(in, w.key)
	}
	return in
}

// Waiting yields those in the queue, in order, with their places from 1.
func (c *Control[K]) Waiting(yield func(key K, place int) bool) {
	place := 0
	for _, w := range c.queue.list {
		if w.gone {
			continue
		}
		if place++; !yield(w.key, place) {
			return
		}
	}
}

// Stats returns the counters, and how long the queue is at a time.
func (c *Control[K]) Stats(now time.Duration) Stats {
	s := c.stats
	s.Waiting = len(c.queue.byKey)
	for _, w := range c.queue.list {
		if !w.gone {
			s.Oldest = now - w.since
			break
		}
	}
	return s
}
