// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// pair runs f with a session over the link, in virtual time.
func pair(t *testing.T, link simnet.Link, change func(*Config), f func(t *testing.T, ca, cb *Conn)) {
	pairOf(t, 1, link, change, f)
}

func pairOf(t *testing.T, seed uint64, link simnet.Link, change func(*Config), f func(t *testing.T, ca, cb *Conn)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed)
		defer w.close()
		a, _ := w.endpoint(link, change)
		b, _ := w.endpoint(link, change)
		ca, cb := connect(t, a, b)
		f(t, ca, cb)
	})
}

func TestSendChecksMessages(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		ch := ca.Channel(1)
		if ch != ca.Channel(1) || ch.ID() != 1 || ch.Conn() != ca {
			t.Error("Channel does not give the same channel")
		}
		ctx := ctxFor(t, time.Minute)
		if err := ch.Send(ctx, nil); err != ErrMessageEmpty {
			t.Errorf("empty: %v", err)
		}
		if err := ch.Send(ctx, make([]byte, MaxMessage+1)); err != ErrMessageTooLarge {
			t.Errorf("too large: %v", err)
		}
		msg := numbered(1, MaxMessage)
		if err := ch.Send(ctx, msg); err != nil {
			t.Fatal(err)
		}
		clear(msg) // it was copied
		m, err := cb.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkNumbered(m.Data, 1, MaxMessage); err != nil {
			t.Error(err)
		}
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err := ch.Send(over, []byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// A reader that stops holds the sender, loses nothing, and holds no other channel.
func TestBackpressure(t *testing.T) {
	small := func(c *Config) { c.SendQueue, c.RecvQueue = minQueue, minQueue }
	pair(t, near, small, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, 10*time.Minute)
		blocked, other := ca.Channel(1), ca.Channel(2)
		const size = 4 * basePayload
		count := 0
		for ; ; count++ {
			short, cancel := context.WithTimeout(ctx, 3*time.Second)
			err := blocked.Send(short, numbered(count, size))
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		// What both queues and the reordering space hold, and no more.
		if held := count * size; held < 2*minQueue-20000 || held > 3*minQueue {
			t.Errorf("%d bytes were taken", held)
		}
		if err := blocked.TrySend(make([]byte, size)); err != ErrQueueFull {
			t.Errorf("TrySend: %v", err)
		}
		sent := sendNumbered(ctx, other, 200, 5000)
		begin := time.Now()
		if err := recvNumbered(ctx, cb.Channel(2), 200, 5000); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 500*time.Millisecond {
			t.Errorf("beside a blocked channel 1 MB took %v", took)
		}
		time.Sleep(time.Minute)
		// The reader comes back; a second message waits behind the full queue.
		waiting := make(chan error, 1)
		go func() { waiting <- blocked.Send(ctx, numbered(count, size)) }()
		begin = time.Now()
		if err := recvNumbered(ctx, cb.Channel(1), count+1, size); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("reading what was held took %v", took)
		}
	})
}

// The announcement that a window is open again may be lost; the sender then asks.
func TestClosedWindowOpensAgainWithLoss(t *testing.T) {
	lossy := simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.15}
	small := func(c *Config) { c.SendQueue, c.RecvQueue = minQueue, minQueue }
	pair(t, lossy, small, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, 10*time.Minute)
		sent := sendNumbered(ctx, ca.Channel(1), 400, 8<<10)
		for i := range 400 {
			if i%40 == 0 {
				time.Sleep(10 * time.Second) // the window closes
			}
			msg, err := cb.Channel(1).Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkNumbered(msg, i, 8<<10); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

// A lost datagram of one channel does not hold the others: each waits for its own losses only.
func TestManyChannels(t *testing.T) {
	lossy := simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.01, Jitter: 3 * time.Millisecond, Reorder: true, Duplicate: 0.01}
	pair(t, lossy, nil, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, 10*time.Minute)
		var senders sync.WaitGroup
		const count = 50
		for id := range ChannelID(maxChannels) {
			ca.Channel(id).SetLevel(Level(id % 3))
			senders.Go(func() {
				for i := range count {
					if err := ca.Channel(id).Send(ctx, numbered(i, 3000+int(id))); err != nil {
						t.Errorf("channel %d: %v", id, err)
						return
					}
				}
			})
		}
		var next [maxChannels]int
		for range count * maxChannels {
			m, err := cb.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkNumbered(m.Data, next[m.Channel], 3000+int(m.Channel)); err != nil {
				t.Fatalf("channel %d: %v", m.Channel, err)
			}
			next[m.Channel]++
		}
		senders.Wait()
		if err := ca.Channel(maxChannels).Send(ctx, []byte("x")); err != ErrTooManyChannels {
			t.Errorf("one channel too many: %v", err)
		}
		if n := ca.Stats().Channels; n != maxChannels {
			t.Errorf("%d channels", n)
		}
	})
}

// Channel.Recv takes a channel away from Conn.Recv.
func TestRecvOfOneChannel(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, time.Minute)
		got := make(chan string, 10)
		go func() {
			for range 2 {
				msg, err := cb.Channel(1).Recv(ctx)
				if err != nil {
					t.Error(err)
				}
				got <- string(msg)
			}
		}()
		synctest.Wait()
		for _, s := range []struct {
			id  ChannelID
			msg string
		}{{1, "own 1"}, {2, "any"}, {1, "own 2"}} {
			if err := ca.Channel(s.id).Send(ctx, []byte(s.msg)); err != nil {
				t.Fatal(err)
			}
		}
		if m, err := cb.Recv(ctx); err != nil || m.Channel != 2 || string(m.Data) != "any" {
			t.Errorf("Conn.Recv = %d %q, %v", m.Channel, m.Data, err)
		}
		if a, b := <-got, <-got; a != "own 1" || b != "own 2" {
			t.Errorf("Channel.Recv = %q, %q", a, b)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if m, err := cb.Recv(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Conn.Recv = %d %q, %v", m.Channel, m.Data, err)
		}
	})
}

// Several goroutines may share a session's Recv, and a channel's Send.
func TestConcurrentUse(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, time.Minute)
		const workers, each = 8, 100
		var all sync.WaitGroup
		var mu sync.Mutex
		seen := make(map[string]bool)
		for n := range workers {
			all.Go(func() {
				for i := range each {
					if err := ca.Channel(ChannelID(i%3)).Send(ctx, numbered(n*each+i, 2000)); err != nil {
						t.Error(err)
						return
					}
				}
			})
			all.Go(func() {
				for range each {
					m, err := cb.Recv(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					seen[string(m.Data)] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(seen) != workers*each {
			t.Errorf("%d different messages of %d", len(seen), workers*each)
		}
	})
}
