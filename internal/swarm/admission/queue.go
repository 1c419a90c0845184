// SPDX-License-Identifier: GPL-3.0-or-later

package admission

import (
	"net/netip"
	"slices"
	"time"
)

// Limits bound the queue.
type Limits struct {
	Waiting int // viewers
	From    int // of them, behind one address
}

// waiting is one viewer in the queue.
type waiting[K comparable] struct {
	key   K
	from  netip.Prefix
	since time.Duration
	away  bool // its connection is lost
	lost  time.Duration
	gone  bool // it has left the queue, and the list will be cleared of it
}

// queue keeps viewers in the order in which they came.
type queue[K comparable] struct {
	limits Limits
	list   []*waiting[K]
	byKey  map[K]*waiting[K]
	from   map[netip.Prefix]int
	sweep  time.Duration // when the next one is due
}

func newQueue[K comparable](limits Limits) queue[K] {
	return queue[K]{limits: limits, byKey: make(map[K]*waiting[K]), from: make(map[netip.Prefix]int)}
}

// full reports whether nobody from an address may wait any more.
func (q *queue[K]) full(from netip.Prefix) bool {
	return len(q.byKey) >= q.limits.Waiting || q.from[from] >= q.limits.From
}

func (q *queue[K]) add(key K, from netip.Prefix, now time.Duration) {
	w := &waiting[K]{key: key, from: from, since: now}
	q.list = append(q.list, w)
	q.byKey[key] = w
	q.from[from]++
}

func (q *queue[K]) remove(w *waiting[K]) {
	q.strike(w)
	if len(q.list) > 2*len(q.byKey)+16 {
		q.compact()
	}
}

// strike removes a viewer and leaves the list as it is.
func (q *queue[K]) strike(w *waiting[K]) {
	w.gone = true
	delete(q.byKey, w.key)
	if q.from[w.from]--; q.from[w.from] == 0 {
		delete(q.from, w.from)
	}
}

func (q *queue[K]) compact() {
	q.list = slices.DeleteFunc(q.list, func(w *waiting[K]) bool { return w.gone })
}

// expire ends the wait of those who have not come back.
func (q *queue[K]) expire(now time.Duration) {
	if now < q.sweep {
		return
	}
	q.sweep = now + sweepEvery
	for _, w := range q.list {
		if !w.gone && w.away && now-w.lost >= awayTime {
			q.strike(w)
		}
	}
	q.compact()
}

// place returns where a viewer stands.
func (q *queue[K]) place(w *waiting[K]) int {
	n := 0
	for _, o := range q.list {
		if !o.gone {
			n++
		}
		if o == w {
			break
		}
	}
	return n
}

// next returns the first who is there, or nil.
func (q *queue[K]) next() *waiting[K] {
	for len(q.list) > 0 && q.list[0].gone {
		q.list = q.list[1:]
	}
	for _, w := range q.list {
		if !w.gone && !w.away {
			return w
		}
	}
	return nil
}
