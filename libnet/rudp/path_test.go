// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// narrow gives the hook of a path that drops datagrams longer than a size, as long as on is set.
func narrow(size int, on *bool) func(b []byte) [][]byte {
	return func(b []byte) [][]byte {
		if *on && len(b) > size {
			return nil
		}
		return [][]byte{b}
	}
}

// A path with an MTU of 1200 bytes carries 1172 bytes of UDP payload over IPv4: too little for MaxDatagram. The
// initiation is as long as any datagram will be, so Dial fails, within its timeout, and no session comes up that would
// hang later.
func TestNarrowPathFailsTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		on := true
		a := w.tapped(near, narrow(1200-28, &on), nil)
		b, _ := w.endpoint(near, nil)
		begin := time.Now()
		_, err := a.Dial(context.Background(), b.LocalAddr(), b.ID())
		if !errors.Is(err, ErrHandshakeTimeout) || time.Since(begin) != defaultHandshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if n := tables(a) + tables(b); n != 0 || b.Stats().DatagramsIn != 0 {
			t.Errorf("%d entries are left; %+v", n, b.Stats())
		}
		w.taps.Lock()
		on = false
		w.taps.Unlock()
		connect(t, a, b)
	})
}

// When the path becomes narrow under a running session, or always was in the direction that the handshake does not try,
// signs of life still pass. The session ends all the same, on both sides, and its sender learns why.
func TestPathThatBecomesNarrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		on := false
		a := w.tapped(near, narrow(1200-28, &on), nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, 5*time.Minute)
		if err := <-sendNumbered(ctx, ca.Channel(1), 50, 8<<10); err != nil {
			t.Fatal(err)
		}
		if err := recvNumbered(ctx, cb.Channel(1), 50, 8<<10); err != nil {
			t.Fatal(err)
		}
		w.taps.Lock()
		on = true
		w.taps.Unlock()

		// What fits still passes.
		for i := range 60 {
			time.Sleep(time.Second)
			if err := ca.Channel(2).Send(ctx, numbered(i, 500)); err != nil {
				t.Fatal(err)
			}
			msg, err := cb.Channel(2).Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkNumbered(msg, i, 500); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		sent := sendNumbered(ctx, ca.Channel(1), 1000, 8<<10)
		if err := <-sent; !errors.Is(err, ErrPathBlocked) {
			t.Errorf("Send ended with %v", err)
		}
		<-cb.Done()
		took := time.Since(begin)
		if took < 2*defaultIdleTimeout || took > 3*defaultIdleTimeout {
			t.Errorf("ended after %v", took)
		}
		var told *CloseError
		if err := cb.Err(); !errors.As(err, &told) || !told.Remote || told.Reason != "path blocked" {
			t.Errorf("the other side has %v", err)
		}
	})
}

// Datagrams whose bits flip on the way, of all kinds and in both directions, are lost ones: sessions open, nothing
// that is corrupt is handed over, nothing is missing, and each is counted.
func TestCorruptDatagrams(t *testing.T) {
	for _, share := range []float64{0.01, 0.1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.close()
			rnd := rand.New(rand.NewPCG(1, uint64(share*100)))
			flipped := uint64(0)
			flip := func(b []byte) [][]byte {
				if rnd.Float64() >= share {
					return [][]byte{b}
				}
				flipped++
				b = bytes.Clone(b)
				for range 1 + rnd.IntN(3) {
					b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
				}
				return [][]byte{b}
			}
			a, b := w.tapped(near, flip, nil), w.tapped(near, flip, nil)
			ctx := ctxFor(t, 10*time.Minute)
			for range 10 { // handshakes are corrupted too
				ca, cb := connect(t, a, b)
				const count = 60
				up, down := sendNumbered(ctx, ca.Channel(1), count, 8<<10), sendNumbered(ctx, cb.Channel(1), count, 5000)
				if err := recvNumbered(ctx, cb.Channel(1), count, 8<<10); err != nil {
					t.Fatal(err)
				}
				if err := recvNumbered(ctx, ca.Channel(1), count, 5000); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(<-up, <-down); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			counted := uint64(0)
			for _, e := range []*Endpoint{a, b} {
				s := e.Stats()
				counted += s.Foreign + s.Malformed + s.UnknownSession + s.Unauthentic + s.Replayed
			}
			w.taps.Lock()
			defer w.taps.Unlock()
			// A cookie that nobody asked for is not looked at: an initiation may do with one that has flipped.
			if counted > flipped+20 || counted < flipped*9/10 {
				t.Errorf("%d datagrams were corrupted, %d counted", flipped, counted)
			}
		})
	}
}
