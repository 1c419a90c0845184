// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

var near = simnet.Link{Delay: 5 * time.Millisecond} // 20 ms there and back

func TestDialTakesOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		begin := time.Now()
		ca, cb := connect(t, a, b)
		if took := time.Since(begin); took != 30*time.Millisecond { // and half a one to prove it
			t.Errorf("session open on both sides after %v", took)
		}
		if ca.RemoteAddr() != b.LocalAddr() || cb.RemoteAddr() != a.LocalAddr() {
			t.Errorf("addresses %v and %v", ca.RemoteAddr(), cb.RemoteAddr())
		}
		if err := ca.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestMessageTakesHalfARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		for i := range 100 {
			time.Sleep(33 * time.Millisecond)
			begin := time.Now()
			if err := ca.Channel(3).Send(ctx, numbered(i, 16<<10)); err != nil {
				t.Fatal(err)
			}
			m, err := cb.Recv(ctx)
			if err != nil || m.Channel != 3 {
				t.Fatalf("channel %d, %v", m.Channel, err)
			}
			if err := checkNumbered(m.Data, i, 16<<10); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took != 10*time.Millisecond {
				t.Fatalf("message %d took %v", i, took)
			}
		}
		if s := ca.Stats(); s.RTT != 20*time.Millisecond || s.Retransmits != 0 || s.MessagesOut != 100 || s.BytesOut != 100*16<<10 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A host with idle sessions that were opened at any time wakes up for all of them together: it asks, and each guest answers
// once.
func TestIdleSessionsAskInStep(t *testing.T) {
	const guests, keepAlives = 20, 10
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		var mu sync.Mutex
		counting, sent, moments := false, 0, make(map[time.Time]bool)
		host := w.tapped(near, func(b []byte) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			if counting {
				sent++
				moments[time.Now()] = true
			}
			return [][]byte{b}
		}, nil)
		for range guests {
			guest, _ := w.endpoint(near, nil)
			connect(t, guest, host)
			time.Sleep(137 * time.Millisecond)
		}
		time.Sleep(4 * defaultKeepAlive)
		mu.Lock()
		counting = true
		mu.Unlock()
		time.Sleep(keepAlives * defaultKeepAlive)
		mu.Lock()
		defer mu.Unlock()
		if sent < guests*keepAlives || sent > guests*keepAlives*keepAliveRepeats/(keepAliveRepeats-1)+guests {
			t.Errorf("%d datagrams for %d sessions and %d keepalive times", sent, guests, keepAlives)
		}
		if n := len(moments); n > keepAlives*keepAliveRepeats {
			t.Errorf("at %d moments", n)
		}
	})
}

func TestHandshakeSurvivesLoss(t *testing.T) {
	for _, lost := range []byte{typeInitiation, typeResponse, typeData} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.close()
			dropped := 0
			drop := func(b []byte) [][]byte {
				if b[0] == lost && dropped < 2 {
					dropped++
					return nil
				}
				return [][]byte{b}
			}
			a, b := w.tapped(near, drop, nil), w.tapped(near, drop, nil)
			begin := time.Now()
			connect(t, a, b)
			// 200 ms and 400 ms until the third attempt.
			if took := time.Since(begin); took < 600*time.Millisecond || took > 650*time.Millisecond {
				t.Errorf("with datagrams of type %d lost it took %v", lost, took)
			}
			if s := b.Stats(); s.Accepted != 1 || s.HalfOpen != 0 || s.Sessions != 1 {
				t.Errorf("responder: %+v", s)
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		c, _ := w.endpoint(near, func(c *Config) { c.Prologue = []byte("another network") })

		begin := time.Now()
		_, err := a.Dial(context.Background(), b.LocalAddr(), newIdentity(t).ID())
		if !errors.Is(err, ErrHandshakeTimeout) || time.Since(begin) != defaultHandshakeTimeout {
			t.Errorf("wrong key: %v after %v", err, time.Since(begin))
		}
		if s := b.Stats(); s.Unauthentic == 0 || s.DatagramsOut != 0 {
			t.Errorf("wrong key: responder has %+v", s)
		}
		if _, err := a.Dial(context.Background(), c.LocalAddr(), c.ID()); !errors.Is(err, ErrHandshakeTimeout) {
			t.Errorf("another prologue: %v", err)
		}
		if _, err := a.Dial(ctxFor(t, time.Second), b.LocalAddr(), newIdentity(t).ID()); !errors.Is(err, ErrHandshakeTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		if _, err := a.Dial(ctx, b.LocalAddr(), newIdentity(t).ID()); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if _, err := a.Dial(context.Background(), b.LocalAddr(), PeerID{}); err == nil {
			t.Error("an unusable key was dialled")
		}
		if n := tables(a) + tables(b); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}

func TestSimultaneousDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		ctx := ctxFor(t, 5*time.Second)
		fromB := make(chan *Conn, 1)
		go func() {
			c, err := b.Dial(ctx, a.LocalAddr(), a.ID())
			if err != nil {
				t.Error(err)
			}
			fromB <- c
		}()
		fromA, err := a.Dial(ctx, b.LocalAddr(), b.ID())
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range []struct {
			dialled *Conn
			at      *Endpoint
		}{{fromA, b}, {<-fromB, a}} {
			accepted, err := pair.at.Accept(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := pair.dialled.Channel(1).Send(ctx, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if m, err := accepted.Recv(ctx); err != nil || string(m.Data) != "hello" {
				t.Fatalf("%q, %v", m.Data, err)
			}
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, ha := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)

		time.Sleep(time.Hour) // kept alive
		if ca.Err() != nil || cb.Err() != nil {
			t.Fatal(ca.Err(), cb.Err())
		}
		// One ping and one pong each two seconds, from one side or the other.
		if n := ca.Stats().DatagramsOut; n > 2*3600/2+10 {
			t.Errorf("%d datagrams in an idle hour", n)
		}
		ha.Down(true)
		cut := time.Now()
		<-ca.Done()
		<-cb.Done()
		if took := time.Since(cut); took < defaultIdleTimeout-defaultKeepAlive || took > defaultIdleTimeout {
			t.Errorf("ended %v after the cut", took)
		}
		for _, c := range []*Conn{ca, cb} {
			var timeout net.Error
			if err := c.Err(); err != ErrIdleTimeout || !errors.Is(err, net.ErrClosed) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("ended with %v", err)
			}
		}
		time.Sleep(time.Second)
		if n := tables(a) + tables(b); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}

func TestCloseTellsThePeer(t *testing.T) {
	for _, loss := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.close()
			closing, dropped := false, 0
			a := w.tapped(near, func(b []byte) [][]byte {
				if closing && dropped < loss {
					dropped++
					return nil
				}
				return [][]byte{b}
			}, nil)
			b, _ := w.endpoint(near, nil)
			ca, cb := connect(t, a, b)
			time.Sleep(time.Second)
			w.taps.Lock()
			closing = true
			w.taps.Unlock()
			begin := time.Now()
			if err := ca.CloseWithCode(CodeApplication+1, "enough, "+strings.Repeat("x", 300)); err != nil {
				t.Fatal(err)
			}
			if time.Since(begin) != 0 {
				t.Error("Close waited")
			}
			<-cb.Done()
			if took, want := time.Since(begin), 10*time.Millisecond+time.Duration(loss)*closeInterval; took != want {
				t.Errorf("with %d datagrams lost the peer knew after %v, want %v", loss, took, want)
			}
			var remote, local *CloseError
			if err := cb.Err(); !errors.As(err, &remote) || !remote.Remote || remote.Code != CodeApplication+1 ||
				!strings.HasPrefix(remote.Reason, "enough") || len(remote.Reason) != MaxReason || !errors.Is(err, net.ErrClosed) {
				t.Errorf("the peer has %v", err)
			}
			if err := ca.Err(); !errors.As(err, &local) || local.Remote || !errors.Is(err, net.ErrClosed) {
				t.Errorf("the closer has %v", err)
			}
			if err := ca.Channel(1).TrySend([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("send after close: %v", err)
			}
			if _, err := cb.Recv(context.Background()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("receive after close: %v", err)
			}
			time.Sleep(time.Second)
			if n := tables(a) + tables(b); n != 0 {
				t.Errorf("%d entries are left", n)
			}
		})
	}
}

func TestMessagesBeforeCloseCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		for i := range 10 {
			if err := ca.Channel(1).Send(ctx, numbered(i, 4000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := ca.Channel(1).Flush(ctx); err != nil {
			t.Fatal(err)
		}
		ca.Close("done")
		<-cb.Done()
		for i := range 10 {
			m, err := cb.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkNumbered(m.Data, i, 4000); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := cb.Recv(ctx); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("after the last message: %v", err)
		}
	})
}

func TestEndpointCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		ended := make(chan error, 4)
		go func() { _, err := a.Accept(ctx); ended <- err }()
		go func() { _, err := a.Dial(ctx, b.LocalAddr(), newIdentity(t).ID()); ended <- err }()
		go func() { _, err := ca.Recv(ctx); ended <- err }()
		go func() { _, err := ca.Channel(9).Recv(ctx); ended <- err }()
		time.Sleep(time.Second)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a call ended with %v", err)
			}
		}
		<-cb.Done()
		var told *CloseError
		if !errors.As(cb.Err(), &told) || told.Code != CodeShutdown {
			t.Errorf("the peer has %v", cb.Err())
		}
		if _, err := a.Dial(ctx, b.LocalAddr(), b.ID()); !errors.Is(err, ErrEndpointClosed) {
			t.Errorf("dial after close: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

func TestOtherProtocolsOnTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		got := make(chan string, 10)
		a, _ := w.endpoint(near, nil)
		c, _ := w.endpoint(near, nil)
		d, _ := w.endpoint(near, func(cfg *Config) {
			cfg.OnPacket = func(b []byte, from netip.AddrPort) { got <- from.String() + " " + string(b[1:]) }
		})
		for _, first := range []byte{0, 1, 3, 0x10, 0xff} {
			if _, err := a.WriteTo([]byte{first, 'o', 'k'}, d.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			if s := <-got; s != a.LocalAddr().String()+" ok" {
				t.Errorf("got %q", s)
			}
		}
		if _, err := a.WriteTo([]byte{typeData, 0}, d.LocalAddr()); err == nil {
			t.Error("a datagram of this protocol was written raw")
		}
		if _, err := a.WriteTo([]byte{0, 0}, c.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := c.Stats().Foreign; n != 1 {
			t.Errorf("without OnPacket %d were counted", n)
		}
	})
}
