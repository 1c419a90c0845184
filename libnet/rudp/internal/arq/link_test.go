// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

const (
	testPayload = 1172
	testWindow  = 400
	testMessage = 64 << 10
)

// end is one side of a conversation in a test: the Core here, or another implementation.
type end interface {
	send(now Time, msg []byte) bool // false: no room
	input(now Time, datagram []byte)
	flush(now Time, emit func(datagram []byte))
	next() Time // when flush has something to do
	recv() ([]byte, bool)
	waiting() int
}

// own is a Core with what a session adds: datagrams, and a limit of what is in flight.
type own struct {
	*Core
	limit int // segments in flight
	buf   [HeaderLen + testPayload]byte
}

func newOwn(extended bool) *own {
	return &own{limit: 200, Core: New(Config{
		Conv: 7, MaxPayload: testPayload, RecvWindow: testWindow, MaxMessage: testMessage, Extended: extended,
	})}
}

func (o *own) send(now Time, msg []byte) bool {
	if o.Waiting() > 1000 {
		return false
	}
	o.Send(msg, 0)
	return true
}

func (o *own) input(now Time, b []byte) {
	if _, err := o.Input(now, b); err != nil {
		panic(err)
	}
}

func (o *own) flush(now Time, emit func([]byte)) {
	if at := o.Deadline(); at != 0 && at <= now {
		o.OnTimer(now)
	}
	for o.Telling() {
		emit(o.AppendControl(o.buf[:0], len(o.buf)))
	}
	for o.Ready(now) && (o.InFlight() < o.limit || o.Urgent()) {
		at := 0
		for at < len(o.buf) {
			n, kind := o.Next(now, o.buf[at:])
			if kind == None {
				break
			}
			if kind >= Copy && at > 0 { // in a datagram of its own
				emit(o.buf[:at])
				at = copy(o.buf[:], o.buf[at:at+n])
				continue
			}
			at += n
		}
		if at == 0 {
			panic("ready, but nothing came")
		}
		emit(o.buf[:at])
	}
}

func (o *own) next() Time { return o.Deadline() }

func (o *own) recv() ([]byte, bool) {
	data, _, ok := o.Recv()
	return data, ok
}

func (o *own) waiting() int { return o.Waiting() }

// path is one direction: what happens to datagrams.
type path struct {
	delay, jitter Time
	loss, dup     float64
	down          func(now Time) bool
}

type event struct {
	at       Time
	order    int
	to       int
	datagram []byte
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// line joins two ends in virtual time.
type line struct {
	t     testing.TB
	now   Time
	ends  [2]end
	paths [2]path // from that end
	rnd   *rand.Rand
	queue events
	order int
	bytes [2]int // sent by that end
	sleep func(Time)
}

func newLine(t testing.TB, seed uint64, a, b end, p path) *line {
	return &line{t: t, now: second, ends: [2]end{a, b}, paths: [2]path{p, p}, rnd: rand.New(rand.NewPCG(seed, 2))}
}

func (l *line) emit(from int) func([]byte) {
	return func(b []byte) {
		p := l.paths[from]
		l.bytes[from] += len(b)
		if p.down != nil && p.down(l.now) {
			return
		}
		copies := 1
		if l.rnd.Float64() < p.dup {
			copies = 2
		}
		for range copies {
			if l.rnd.Float64() < p.loss {
				continue
			}
			at := l.now + p.delay
			if p.jitter > 0 {
				at += Time(l.rnd.Int64N(int64(p.jitter)))
			}
			l.order++
			heap.Push(&l.queue, event{at, l.order, 1 - from, append([]byte(nil), b...)})
		}
	}
}

// step goes to the next thing that happens, at most until limit.
func (l *line) step(limit Time) {
	for i, e := range l.ends {
		e.flush(l.now, l.emit(i))
	}
	at := limit
	for _, e := range l.ends {
		if t := e.next(); t != 0 {
			at = min(at, max(t, l.now+1))
		}
	}
	if len(l.queue) > 0 {
		at = min(at, l.queue[0].at)
	}
	at = max(at, l.now)
	if l.sleep != nil {
		l.sleep(at - l.now)
	}
	l.now = at
	for len(l.queue) > 0 && l.queue[0].at <= l.now {
		e := heap.Pop(&l.queue).(event)
		l.ends[e.to].input(l.now, e.datagram)
	}
}

// transfer sends count messages of random sizes each way and checks that they arrive whole and in order.
func (l *line) transfer(count, size int) {
	l.t.Helper()
	var sent, got [2]int
	var sizes [2][]int
	limit := l.now + 600*second
	for got != [2]int{count, count} {
		for i, e := range l.ends {
			for sent[i] < count {
				n := 8 + l.rnd.IntN(size)
				if !e.send(l.now, numbered(i, sent[i], n)) {
					break
				}
				sizes[i] = append(sizes[i], n)
				sent[i]++
			}
			for {
				msg, ok := e.recv()
				if !ok {
					break
				}
				if err := check(msg, 1-i, got[i], sizes[1-i][got[i]]); err != nil {
					l.t.Fatal(err)
				}
				got[i]++
			}
		}
		if l.now >= limit {
			l.t.Fatalf("stuck with %v of %d messages received", got, count)
		}
		l.step(limit)
	}
	// The last acknowledgements.
	for end := l.now + 60*second; l.ends[0].waiting()+l.ends[1].waiting() > 0; {
		if l.now >= end {
			l.t.Fatalf("%d and %d segments are never acknowledged", l.ends[0].waiting(), l.ends[1].waiting())
		}
		l.step(end)
	}
}

func numbered(from, i, n int) []byte {
	msg := make([]byte, n)
	binary.LittleEndian.PutUint64(msg, uint64(i)<<1|uint64(from))
	for j := 8; j < n; j++ {
		msg[j] = byte(i + j)
	}
	return msg
}

func check(msg []byte, from, i, n int) error {
	if len(msg) != n {
		return fmt.Errorf("message %d has %d bytes, want %d", i, len(msg), n)
	}
	if got := binary.LittleEndian.Uint64(msg); got != uint64(i)<<1|uint64(from) {
		return fmt.Errorf("message %d from %d came, want %d from %d", got>>1, got&1, i, from)
	}
	for j := 8; j < n; j++ {
		if msg[j] != byte(i+j) {
			return fmt.Errorf("message %d differs at byte %d", i, j)
		}
	}
	return nil
}
