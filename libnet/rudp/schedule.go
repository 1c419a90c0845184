// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"container/heap"
	"sync"
	"time"
)

// timerQueue is the one timer of an endpoint: sessions by the time at which each wants to be woken.
type timerQueue struct {
	wake chan struct{} // the earliest time has come forward

	mu    sync.Mutex
	queue connHeap
}

// timerSlot is a session's place in the queue, guarded by timerQueue.mu.
type timerSlot struct {
	at    time.Time
	index int // in the heap, or -1
}

// add wakes c at the given time or earlier. A wake-up that is later than the one already set is left out:
// the session sets it again when it is woken.
func (q *timerQueue) add(c *Conn, at time.Time) {
	if q.insert(c, at) {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// insert is add that wakes nobody: it tells whether c is now the first.
func (q *timerQueue) insert(c *Conn, at time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case c.timer.index < 0:
		c.timer.at = at
		heap.Push(&q.queue, c)
	case at.Before(c.timer.at):
		c.timer.at = at
		heap.Fix(&q.queue, c.timer.index)
	}
	return c.timer.index == 0
}

func (q *timerQueue) remove(c *Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.timer.index >= 0 {
		heap.Remove(&q.queue, c.timer.index)
	}
}

// due takes out a session whose time has come; without one it says how long until the next.
func (q *timerQueue) due(now time.Time) (c *Conn, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil, time.Hour
	}
	if wait = q.queue[0].timer.at.Sub(now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&q.queue).(*Conn), 0
}

// run wakes sessions until done is closed.
func (q *timerQueue) run(done <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		c, wait := q.due(now)
		if c != nil {
			c.onTimer(now)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-q.wake:
		case <-done:
			return
		}
	}
}

// connHeap implements heap.Interface.
type connHeap []*Conn

func (h connHeap) Len() int           { return len(h) }
func (h connHeap) Less(i, j int) bool { return h[i].timer.at.Before(h[j].timer.at) }
func (h connHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer.index, h[j].timer.index = i, j
}

func (h *connHeap) Push(x any) {
	c := x.(*Conn)
	c.timer.index = len(*h)
	*h = append(*h, c)
}

func (h *connHeap) Pop() any {
	old := *h
	n := len(old) - 1
	c := old[n]
	old[n] = nil
	c.timer.index = -1
	*h = old[:n]
	return c
}
