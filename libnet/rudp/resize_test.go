// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// strait is a socket whose path carries datagrams up to a size: longer ones are swallowed, or refused as by a system that
// knows of it.
type strait struct {
	net.PacketConn
	size    atomic.Int64
	refuses atomic.Bool
	longest atomic.Int64 // that was written
}

func (s *strait) WriteTo(b []byte, to net.Addr) (int, error) {
	s.longest.Store(max(s.longest.Load(), int64(len(b))))
	switch {
	case int64(len(b)) <= s.size.Load():
		return s.PacketConn.WriteTo(b, to)
	case s.refuses.Load():
		return 0, syscall.EMSGSIZE
	}
	return len(b), nil
}

func (w *world) strait(link simnet.Link, size int, change func(*Config)) (*Endpoint, *strait) {
	_, pc := w.host(link, link)
	s := &strait{PacketConn: pc}
	s.size.Store(int64(size))
	e := start(w.t, s, change)
	w.all = append(w.all, e)
	return e, s
}

// carry sends messages from one side to the other, in as many seconds of virtual time as that takes.
func carry(t *testing.T, from, to *Conn, count, size int) {
	t.Helper()
	ctx := ctxFor(t, 10*time.Minute)
	sent := sendNumbered(ctx, from.Channel(1), count, size)
	if err := recvNumbered(ctx, to.Channel(1), count, size); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// Each direction comes to what its path carries, and what it sends later fits that.
func TestDatagramsGrow(t *testing.T) {
	for _, tt := range []struct {
		name            string
		there, back     int // what the ways carry
		refuses         bool
		bound           int
		toThere, toBack int // what comes of it
	}{
		{"Ethernet", 1472, 1472, false, 0, 1452, 1452},
		{"one way narrower", 1472, 1440, false, 0, 1452, 1432},
		{"the other", 1400, 1472, false, 0, 1372, 1452},
		{"the least", 1232, 1232, false, 0, 1232, 1232},
		{"refused", 1440, 1300, true, 0, 1432, 1232},
		{"bounded", 1472, 1472, false, 1300, 1300, 1452},
		{"off", 1472, 1472, false, BaseDatagram, 1232, 1452},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer w.close()
				a, sa := w.strait(near, tt.there, func(c *Config) { c.MaxDatagramSize = tt.bound })
				b, sb := w.strait(near, tt.back, nil)
				sa.refuses.Store(tt.refuses)
				sb.refuses.Store(tt.refuses)
				ca, cb := connect(t, a, b)
				for range 15 {
					carry(t, ca, cb, 20, 8<<10)
					carry(t, cb, ca, 20, 8<<10)
					time.Sleep(time.Second)
				}
				sa.longest.Store(0)
				before := ca.Stats()
				carry(t, ca, cb, 20, 8<<10)
				after := ca.Stats()
				if got, back := after.MTU, cb.Stats().MTU; got != tt.toThere || back != tt.toBack {
					t.Errorf("%d and %d bytes, want %d and %d", got, back, tt.toThere, tt.toBack)
				}
				if got := sa.longest.Load(); got != int64(tt.toThere) {
					t.Errorf("datagrams of %d bytes are sent", got)
				}
				segments := float64(after.SegmentsOut-before.SegmentsOut) / 20
				if want := float64(8<<10) / float64(payloadOf(tt.toThere)); segments < want || segments > want+1.1 {
					t.Errorf("%.2f segments for a message, want %.2f", segments, want)
				}
				if after.Retransmits > 0 || after.Timeouts > 0 || after.Loss > 0 {
					t.Errorf("probes count as losses: %+v", after)
				}
			})
		})
	}
}

// A session that only lives, or says little, sends no probe.
func TestQuietSessionsDoNotProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, sa := w.strait(near, 1472, nil)
		b, sb := w.strait(near, 1472, nil)
		ca, cb := connect(t, a, b)
		carry(t, ca, cb, 10, 8<<10)
		for range 10 {
			time.Sleep(30 * time.Second)
			carry(t, ca, cb, 1, 100)
		}
		if sa.longest.Load() > BaseDatagram || sb.longest.Load() > BaseDatagram || ca.Stats().MTU != BaseDatagram {
			t.Errorf("datagrams of %d and %d bytes were sent", sa.longest.Load(), sb.longest.Load())
		}
	})
}

// A path that begins to swallow long datagrams in the midst of a transfer holds it up for some round trips only: all
// arrives, in order. When it has become wider, it is used again.
func TestBlackHole(t *testing.T) {
	for _, tt := range []struct {
		name    string
		size    int // what the path carries then
		refuses bool
		link    simnet.Link
	}{
		{"swallowed", 1300, false, near},
		{"only the least fits", BaseDatagram, false, near},
		{"refused", 1300, true, near},
		{"beside losses", 1300, false, simnet.Link{Delay: 12500 * time.Microsecond, Loss: 0.01}},
		{"on a slow line", 1300, false, simnet.Link{Delay: 12500 * time.Microsecond, Rate: 5e6, Queue: 60_000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer w.close()
				var seen recorder
				a, sa := w.strait(tt.link, 1472, seen.into)
				b, _ := w.endpoint(near, nil)
				ca, cb := connect(t, a, b)
				carry(t, ca, cb, 100, 8<<10)
				if got := ca.Stats().MTU; got != MaxDatagram {
					t.Fatalf("%d bytes", got)
				}
				ctx := ctxFor(t, time.Hour)
				const count = 1000
				sent := sendNumbered(ctx, ca.Channel(1), count, 8<<10)
				worst, begin := time.Duration(0), time.Now()
				for i := range count {
					if i == 300 {
						sa.refuses.Store(tt.refuses)
						sa.size.Store(int64(tt.size))
					}
					last := time.Now()
					msg, err := cb.Channel(1).Recv(ctx)
					if err == nil {
						err = checkNumbered(msg, i, 8<<10)
					}
					if err != nil {
						t.Fatal(err)
					}
					worst = max(worst, time.Since(last))
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				t.Logf("%v for all, %v without a message; %d segments in parts", time.Since(begin), worst, ca.parted)
				if worst > 1500*time.Millisecond {
					t.Errorf("%v without a message", worst)
				}
				if got := ca.Stats().MTU; got != BaseDatagram || ca.parted == 0 {
					t.Errorf("%d bytes, %d segments in parts", got, ca.parted)
				}
				sa.size.Store(1472)
				time.Sleep(mtuPause)
				carry(t, ca, cb, 100, 8<<10)
				if got := ca.Stats().MTU; got != MaxDatagram {
					t.Errorf("%d bytes a minute later", got)
				}
				if got := eventsOf[DatagramsResized](&seen); len(got) != 3 || got[1].From != MaxDatagram || got[1].To != BaseDatagram {
					t.Errorf("events %+v", got)
				}
			})
		})
	}
}

// Small messages that get through do not hide that long ones do not, on one channel or on two.
func TestBlackHoleBesideSmallMessages(t *testing.T) {
	for _, channel := range []ChannelID{3, 4} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.close()
			a, sa := w.strait(near, 1472, nil)
			b, _ := w.endpoint(near, nil)
			ca, cb := connect(t, a, b)
			carry(t, ca, cb, 100, 8<<10)
			sa.size.Store(1300)
			ctx := ctxFor(t, time.Minute)
			long, small := ca.Channel(3), ca.Channel(channel)
			begin := time.Now()
			sent := make(chan error, 1)
			go func() {
				var err error
				for i := range 200 {
					err = errors.Join(err, long.Send(ctx, numbered(i, 4000)))
					for range 3 {
						err = errors.Join(err, small.Send(ctx, []byte("small")))
					}
					time.Sleep(5 * time.Millisecond)
				}
				sent <- err
			}()
			for n := 0; n < 200; {
				m, err := cb.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if len(m.Data) == 4000 {
					n++
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 2*time.Second || ca.Stats().MTU != BaseDatagram {
				t.Errorf("%v, then %d bytes", took, ca.Stats().MTU)
			}
		})
	}
}

// On another path the search begins anew; what was under way in long datagrams gets through a narrow one all the same.
func TestMoveToANarrowPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.strait(near, 1472, nil)
		b, _ := w.endpoint(near, nil)
		_, pc := w.host(near, near)
		narrower := &strait{PacketConn: pc}
		narrower.size.Store(1300)
		more, err := a.AddSocket(narrower, SocketConfig{})
		if err != nil {
			t.Fatal(err)
		}
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		traffic := make(chan error, 1)
		go func() { traffic <- both(ctx, ca, cb, 1500) }()
		time.Sleep(3 * time.Second)
		if got := [2]int{ca.Stats().MTU, cb.Stats().MTU}; got != [2]int{1452, 1452} {
			t.Errorf("%v bytes", got)
		}
		if err := ca.Move(ctx, Path{more, b.LocalAddr()}); err != nil {
			t.Fatal(err)
		}
		if got := ca.Stats().MTU; got != BaseDatagram {
			t.Errorf("%d bytes after the move", got)
		}
		if err := <-traffic; err != nil {
			t.Fatal(err)
		}
		if got := [2]int{ca.Stats().MTU, cb.Stats().MTU}; got != [2]int{1232, 1452} {
			t.Errorf("%v bytes at the end", got)
		}
	})
}

// Nobody but the peer can answer a probe: pongs that were seen before, or changed, or for other tokens, change nothing.
func TestForgedAnswersToProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		rnd := rand.New(rand.NewPCG(1, 1))
		var old [][]byte
		a, _ := w.strait(near, BaseDatagram, nil)
		b := w.tapped(near, func(d []byte) [][]byte {
			changed := bytes.Clone(d)
			changed[rnd.IntN(len(d))] ^= 1 << rnd.IntN(8)
			old = append(old, bytes.Clone(d))
			return [][]byte{d, old[rnd.IntN(len(old))], changed}
		}, nil)
		ca, cb := connect(t, a, b)
		for i := range 12 {
			carry(t, ca, cb, 20, 8<<10)
			cb.mu.Lock()
			for range 20 { // a peer that guesses
				appendPing(cb.out.reserve(cb, pingLen)[:0], framePong, rnd.Uint64()>>(i%2*40))
			}
			cb.writeOut()
			cb.mu.Unlock()
			time.Sleep(time.Second)
		}
		if got := ca.Stats().MTU; got != BaseDatagram {
			t.Errorf("%d bytes", got)
		}
	})
}

// The dump tells the size; a peer whose datagrams are bounded takes longer ones all the same.
func TestMTUIsDumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, func(c *Config) { c.MaxDatagramSize = BaseDatagram })
		ca, cb := connect(t, a, b)
		carry(t, ca, cb, 100, 8<<10)
		var dump strings.Builder
		if err := a.Dump(&dump); err != nil || !strings.Contains(dump.String(), fmt.Sprintf(" mtu=%d ", MaxDatagram)) {
			t.Errorf("%v: %s", err, dump.String())
		}
	})
}

func TestMaxDatagramSizeIsBounded(t *testing.T) {
	for _, size := range []int{-1, BaseDatagram - 1, MaxDatagram + 1} {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Listen(pc, Config{Identity: newIdentity(t), MaxDatagramSize: size}); err == nil {
			t.Errorf("%d bytes are taken", size)
		}
	}
}

// Over a real socket, whose system has to be told not to fragment.
func TestDatagramsGrowOnLoopback(t *testing.T) {
	a, b := loopback(t, nil), loopback(t, nil)
	ca, cb := connect(t, a, b)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	want := BaseDatagram
	if a.Socket().sock.WritesWhole() {
		want = MaxDatagram
	}
	for i := 0; ca.Stats().MTU != want || i < 100; i++ {
		if err := ca.Channel(1).Send(ctx, numbered(i, 8<<10)); err != nil {
			t.Fatal(err)
		}
		m, err := cb.Recv(ctx)
		if err == nil {
			err = checkNumbered(m.Data, i, 8<<10)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if s := a.Stats(); s.WriteErrors != 0 {
		t.Errorf("%+v", s)
	}
}
