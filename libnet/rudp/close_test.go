// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"p2plive/libnet/simnet"
)

// everything runs all calls that wait, on both sides of a session, in loops that end with the first error. An error
// that does not come from a closed endpoint or session fails the test.
func everything(t *testing.T, a, b *Endpoint, ca, cb *Conn) (wait func()) {
	ctx := context.Background()
	var running sync.WaitGroup
	loop := func(name string, call func() error) {
		running.Go(func() {
			for {
				if err := call(); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("%s ended with %v", name, err)
					}
					return
				}
			}
		})
	}
	for _, side := range []struct {
		e    *Endpoint
		c    *Conn
		peer *Endpoint
	}{{a, ca, b}, {b, cb, a}} {
		sending, read, unread := side.c.Channel(1), side.c.Channel(2), side.c.Channel(3)
		loop("send", func() error { return sending.Send(ctx, numbered(0, 20<<10)) })
		loop("flush", func() error {
			if err := read.Send(ctx, numbered(0, 3000)); err != nil {
				return err
			}
			return read.Flush(ctx)
		})
		loop("send to a full queue", func() error { return unread.Send(ctx, numbered(0, MaxMessage)) })
		loop("receive from a channel", func() error { _, err := read.Recv(ctx); return err })
		loop("wait for a channel without messages", func() error { _, err := side.c.Channel(9).Recv(ctx); return err })
		loop("receive", func() error {
			m, err := side.c.Recv(ctx)
			if m.Channel == 3 {
				<-side.c.Done() // leaves the queue full
			}
			return err
		})
		loop("accept", func() error {
			c, err := side.e.Accept(ctx)
			if err != nil {
				return err
			}
			return c.Close("")
		})
		nobody := newIdentity(t).ID()
		loop("dial", func() error { _, err := side.e.Dial(ctx, side.peer.LocalAddr(), nobody); return err })
		loop("dial and close", func() error {
			c, err := side.e.Dial(ctx, side.peer.LocalAddr(), side.peer.ID())
			if err != nil {
				return err
			}
			return c.Close("")
		})
	}
	return running.Wait
}

// Close while all other calls are under way, at any moment: all of them return with an error that says so, also those
// of the other side, and nothing is left.
func TestCloseDuringEverything(t *testing.T) {
	for _, lossy := range []float64{0, 0.1} {
		for _, after := range []time.Duration{0, 5, 10, 15, 20, 35, 200, 999} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, uint64(after))
				defer w.close()
				// Dials of a peer that is gone end with their side's own Close.
				link := simnet.Link{Delay: 5 * time.Millisecond, Loss: lossy}
				patient := func(c *Config) { c.HandshakeTimeout = time.Hour }
				a, _ := w.endpoint(link, patient)
				b, _ := w.endpoint(link, patient)
				ca, cb := connect(t, a, b)
				wait := everything(t, a, b, ca, cb)
				time.Sleep(after * time.Millisecond)
				closing := time.Now()
				a.Close()
				if took := time.Since(closing); took != 0 {
					t.Errorf("Close took %v", took)
				}
				<-cb.Done()
				// When all farewells are lost, it is idle from the last datagram on, which was on its way.
				if took := time.Since(closing); took > defaultIdleTimeout+2*link.Delay {
					t.Errorf("the other side knew after %v", took)
				}
				b.Close()
				wait()
				if n := tables(a) + tables(b); n != 0 {
					t.Errorf("closed after %v ms: %d entries are left", int64(after), n)
				}
			})
		}
	}
}

// The same over real sockets, where goroutines run at the same time, with sessions closed before the endpoints.
func TestCloseDuringEverythingOnLoopback(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for i := range 8 {
		patient := func(c *Config) { c.HandshakeTimeout = time.Hour }
		a, b := loopback(t, patient), loopback(t, patient)
		ca, cb := connect(t, a, b)
		wait := everything(t, a, b, ca, cb)
		time.Sleep(time.Duration(i) * 7 * time.Millisecond) // a moment of no importance, not a wait for something
		var closing sync.WaitGroup
		closing.Go(func() { ca.Close("") })
		closing.Go(func() { a.Close() })
		closing.Go(func() { b.Close() })
		closing.Go(func() { cb.Close("") })
		closing.Go(func() { b.Close() })
		closing.Wait()
		wait()
		if n := tables(a) + tables(b); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	}
}
