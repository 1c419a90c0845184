// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soakFor is how long TestSoak runs; `make soak` sets it to minutes.
var soakFor = flag.Duration("soak", 0, "run TestSoak for that long with 1000 sessions; 0: two seconds with 100")

const (
	soakPause  = 500 * time.Millisecond // between a session's messages, each way
	soakSize   = 6 << 10                // of a message, at most
	soakGrowth = 1.25                   // of the live heap from the first quarter to the end, at most
	soakSlack  = 4 << 20                // that a heap may differ by without growing
)

// soakSizeOf is the size of a session's message.
func soakSizeOf(session, i int) int {
	return 8 + rand.New(rand.NewPCG(uint64(session), uint64(i))).IntN(soakSize-8)
}

// soaking is a run of TestSoak.
type soaking struct {
	t          *testing.T
	over       <-chan struct{} // no new messages from then on
	ctx        context.Context
	sent, came atomic.Int64 // messages
	running    sync.WaitGroup
}

// send sends messages at their pace until the run is over, then waits for the last to be acknowledged, and tells how
// many they were.
func (s *soaking) send(c *Conn, session int, count chan<- int) {
	ch := c.Channel(1)
	pace := time.NewTicker(soakPause)
	defer pace.Stop()
	n := 0
	defer func() { count <- n }()
	for {
		select {
		case <-pace.C:
		case <-s.over:
			if err := ch.Flush(s.ctx); err != nil {
				s.t.Errorf("session %d: flush: %v", session, err)
			}
			return
		}
		if err := ch.Send(s.ctx, numbered(n, soakSizeOf(session, n))); err != nil {
			s.t.Errorf("session %d: send %d: %v", session, n, err)
			return
		}
		n++
		s.sent.Add(1)
	}
}

// receive checks messages in order until as many have come as were sent.
func (s *soaking) receive(c *Conn, session int, count <-chan int) {
	ch := c.Channel(1)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	total := make(chan int, 1)
	s.running.Go(func() {
		n := <-count // all of them have been acknowledged: those that are not read yet are here
		total <- n
		time.AfterFunc(soakPause, cancel)
	})
	n := 0
	for {
		msg, err := ch.Recv(ctx)
		if errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			s.t.Errorf("session %d: receive %d: %v", session, n, err)
			break
		}
		if err := checkNumbered(msg, n, soakSizeOf(session, n)); err != nil {
			s.t.Errorf("session %d: %v", session, err)
			break
		}
		Recycle(msg)
		n++
		s.came.Add(1)
	}
	if want := <-total; n != want {
		s.t.Errorf("session %d: %d of %d messages came", session, n, want)
	}
}

// both runs messages both ways over a session.
func (s *soaking) both(ca, cb *Conn, session int) {
	there, back := make(chan int, 1), make(chan int, 1)
	s.running.Go(func() { s.send(ca, session, there) })
	s.running.Go(func() { s.receive(cb, session, there) })
	s.running.Go(func() { s.send(cb, session, back) })
	s.running.Go(func() { s.receive(ca, session, back) })
}

// memory gives the live heap and the number of goroutines.
func memory() (heap uint64, goroutines int) {
	runtime.GC()
	runtime.GC() // what pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}

// Many sessions between two sockets, with messages both ways, for long: nothing is lost, order and content are right,
// memory does not grow, and all is gone in the end.
func TestSoak(t *testing.T) {
	sessions, length := 100, 2*time.Second
	if *soakFor > 0 {
		sessions, length = 1000, *soakFor
	}
	before, _ := memory()
	patient := func(c *Config) { c.HandshakeTimeout, c.IdleTimeout = time.Minute, time.Minute }
	a, b := loopback(t, patient), loopback(t, patient)
	setup, base := ctxFor(t, 5*time.Minute), runtime.NumGoroutine()
	begin := time.Now()
	var as, bs []*Conn
	for range sessions {
		ca, err := a.Dial(setup, b.LocalAddr(), b.ID())
		if err != nil {
			t.Fatal(err)
		}
		cb, err := b.Accept(setup)
		if err != nil {
			t.Fatal(err)
		}
		as, bs = append(as, ca), append(bs, cb)
	}
	idle, goroutines := memory()
	t.Logf("%d sessions after %v: %.1f KiB each, both ends; %d goroutines more than without them",
		sessions, time.Since(begin).Round(time.Millisecond), float64(idle-before)/1024/float64(sessions), goroutines-base)
	if goroutines > base {
		t.Error("sessions have goroutines")
	}

	over := make(chan struct{})
	s := &soaking{t: t, over: over, ctx: ctxFor(t, length+2*time.Minute)}
	for i := range sessions {
		s.both(as[i], bs[i], i)
	}
	var heaps [4]uint64
	for i := range heaps {
		time.Sleep(length / time.Duration(len(heaps)))
		heaps[i], _ = memory()
		t.Logf("after %v: heap %.1f MiB, %d messages sent, %d came", (length * time.Duration(i+1) / time.Duration(len(heaps))).Round(time.Millisecond),
			float64(heaps[i])/(1<<20), s.sent.Load(), s.came.Load())
	}
	close(over)
	s.running.Wait()
	if last := heaps[len(heaps)-1]; float64(last) > float64(heaps[0])*soakGrowth+soakSlack {
		t.Errorf("the heap has grown from %d to %d bytes", heaps[0], last)
	}
	if s.sent.Load() != s.came.Load() || s.sent.Load() < int64(sessions) {
		t.Errorf("%d messages sent, %d came", s.sent.Load(), s.came.Load())
	}
	var all ConnStats
	for _, c := range append(as, bs...) {
		s := c.Stats()
		all.SegmentsOut += s.SegmentsOut
		all.Retransmits += s.Retransmits
		all.Parities += s.Parities
	}
	t.Logf("%d segments, %d of them sent again, %d parity segments", all.SegmentsOut, all.Retransmits, all.Parities)
	a.Close()
	b.Close()
	if n := tables(a) + tables(b); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}
