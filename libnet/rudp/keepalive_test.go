// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// homely runs an endpoint behind a NAT of its own.
func (w *world) homely(conf simnet.NATConfig, change func(*Config)) (*Endpoint, *simnet.NAT) {
	w.t.Helper()
	w.last++
	box, err := w.net.NAT(netip.AddrFrom4([4]byte{198, 51, 100, w.last}), conf, near, near)
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := box.Host(netip.AddrFrom4([4]byte{192, 168, 1, 2}), simnet.Link{}, simnet.Link{})
	if err != nil {
		w.t.Fatal(err)
	}
	pc, err := h.ListenPacket(7100)
	if err != nil {
		w.t.Fatal(err)
	}
	e := start(w.t, pc, change)
	w.all = append(w.all, e)
	return e, box
}

var nat3 = simnet.NATConfig{
	Mapping: simnet.EndpointIndependent, Filtering: simnet.AddressAndPortDependent, Ports: simnet.Random, Timeout: 30 * time.Second,
}

// An idle session is kept alive as rarely as the NAT before it allows, and no more often.
func TestKeepAliveByLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		server, _ := w.endpoint(near, func(c *Config) { c.Profile, c.KeepAlive, c.IdleTimeout = Server, 25*time.Second, 40*time.Second })
		home, _ := w.homely(nat3, nil)
		c, s := connect(t, home, server)
		time.Sleep(time.Minute)
		if err := home.SetKeepAlive(24*time.Second, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		before := c.Stats().DatagramsOut
		time.Sleep(time.Hour)
		if c.Err() != nil || s.Err() != nil || s.Stats().Moves != 0 {
			t.Errorf("%v, %v, %d moves", c.Err(), s.Err(), s.Stats().Moves)
		}
		if n := c.Stats().DatagramsOut - before; n < 140 || n > 160 {
			t.Errorf("%d datagrams in an hour, 150 were needed", n)
		}
		// A shorter interval counts at once.
		if err := home.SetKeepAlive(time.Second, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		before = c.Stats().DatagramsOut
		time.Sleep(time.Minute)
		if n := c.Stats().DatagramsOut - before; n < 55 || c.Err() != nil {
			t.Errorf("%d datagrams in a minute, %v", n, c.Err())
		}
		for _, bad := range [][2]time.Duration{{0, time.Second}, {time.Second, time.Second}} {
			if home.SetKeepAlive(bad[0], bad[1]) == nil {
				t.Errorf("%v was taken", bad)
			}
		}
	})
}

// receive reads numbered messages and gives the longest wait for one.
func longestWait(ctx context.Context, ch *Channel, count, size int) (longest time.Duration, err error) {
	last := time.Now()
	for i := range count {
		msg, err := ch.Recv(ctx)
		if err != nil {
			return longest, err
		}
		if err := checkNumbered(msg, i, size); err != nil {
			return longest, err
		}
		longest = max(longest, time.Since(last))
		last = time.Now()
	}
	return longest, nil
}

// A NAT forgets, or gets another address, while somebody behind it only receives: nothing is lost, and there is hardly a
// stall, although nothing comes in that could be acknowledged.
func TestNATForgetsAReceiver(t *testing.T) {
	for name, change := range map[string]func(*simnet.NAT, int) error{
		"forgets":    func(b *simnet.NAT, _ int) error { b.Flush(); return nil },
		"renumbered": func(b *simnet.NAT, i int) error { return b.Renumber(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer w.close()
				server, _ := w.endpoint(near, func(c *Config) { c.Profile = Server })
				home, box := w.homely(nat3, nil)
				c, s := connect(t, home, server)
				ctx := ctxFor(t, time.Minute)
				const count, size = 500, 3000
				sent := make(chan error, 1)
				go func() {
					for i := range count {
						time.Sleep(40 * time.Millisecond)
						if err := s.Channel(1).Send(ctx, numbered(i, size)); err != nil {
							sent <- err
							return
						}
					}
					sent <- nil
				}()
				go func() {
					for i := range 3 {
						time.Sleep(5 * time.Second)
						if err := change(box, i+1); err != nil {
							t.Error(err)
						}
					}
				}()
				longest, err := longestWait(ctx, c.Channel(1), count, size)
				if err := errors.Join(err, <-sent); err != nil {
					t.Fatal(err)
				}
				t.Logf("the longest stall was %v", longest)
				if limit := minSilence + 100*time.Millisecond; longest > limit {
					t.Errorf("a stall of %v", longest)
				}
				if s.Stats().Moves != 3 {
					t.Errorf("%d moves", s.Stats().Moves)
				}
			})
		})
	}
}

// After sleep, sessions whose peer is still there go on, at whatever address they are now; the others end at once.
func TestRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		there, _ := w.endpoint(near, func(c *Config) { c.Profile, c.KeepAlive, c.IdleTimeout = Server, time.Hour, 2*time.Hour })
		gone, _ := w.endpoint(near, nil)
		home, box := w.homely(nat3, func(c *Config) { c.KeepAlive, c.IdleTimeout = time.Hour, 2*time.Hour })
		kept, s := connect(t, home, there)
		lost, err := home.Dial(t.Context(), gone.LocalAddr(), gone.ID())
		if err != nil {
			t.Fatal(err)
		}
		old := s.RemoteAddr()
		synctest.Wait()
		// The host sleeps: its NAT forgets, and what the peer says when it goes is not heard.
		box.Flush()
		gone.Close()
		time.Sleep(10 * time.Minute)
		begin := time.Now()
		home.Recheck()
		<-lost.Done()
		if took := time.Since(begin); !errors.Is(lost.Err(), ErrIdleTimeout) || took != recheckTimeout {
			t.Errorf("%v after %v", lost.Err(), took)
		}
		if kept.Err() != nil || s.RemoteAddr() == old {
			t.Errorf("%v; the peer sees %v", kept.Err(), s.RemoteAddr())
		}
		time.Sleep(10 * time.Minute)
		if kept.Err() != nil {
			t.Errorf("ended later: %v", kept.Err())
		}
	})
}
