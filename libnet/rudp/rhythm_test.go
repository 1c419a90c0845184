// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// TestForgottenByNAT: a stream goes on soon after the receiver's NAT has forgotten the session, for the receiver
// notices the silence; a session without a stream is not asked more often for it.
func TestForgottenByNAT(t *testing.T) {
	for _, tt := range []struct {
		name    string
		every   time.Duration // between messages
		silence time.Duration // the longest one
	}{
		{"a stream", 30 * time.Millisecond, 350 * time.Millisecond},
		{"a word now and then", 700 * time.Millisecond, 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { forgottenByNAT(t, tt.every, tt.silence) })
		})
	}
}

func forgottenByNAT(t *testing.T, every, silence time.Duration) {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	line := simnet.Link{Delay: 10 * time.Millisecond}
	n := simnet.New(1)
	defer n.Close()
	box, err := n.NAT(netip.MustParseAddr("203.0.113.1"), simnet.NAT3(), line, line)
	check(err)
	home, err := box.Host(netip.MustParseAddr("192.168.1.2"), simnet.Link{}, simnet.Link{})
	check(err)
	server, err := n.Host(netip.MustParseAddr("198.51.100.1"), line, line)
	check(err)
	listen := func(h *simnet.Host) *Endpoint {
		pc, err := h.ListenPacket(7000)
		check(err)
		id, err := NewIdentity()
		check(err)
		e, err := Listen(pc, Config{Identity: id, Logger: slog.New(slog.DiscardHandler), KeepAlive: time.Second})
		check(err)
		return e
	}
	a, b := listen(server), listen(home)
	defer a.Close()
	defer b.Close()
	in, err := b.Dial(t.Context(), a.LocalAddr(), a.ID())
	check(err)
	out, err := a.Accept(t.Context())
	check(err)

	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for ctx.Err() == nil {
			_ = out.Channel(1).TrySend([]byte("frame"))
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	time.AfterFunc(10*time.Second, box.Flush)
	last, longest := time.Now(), time.Duration(0)
	for {
		if _, err := in.Recv(ctx); err != nil {
			break
		}
		longest = max(longest, time.Since(last))
		last = time.Now()
	}
	if longest > silence {
		t.Errorf("nothing has come for %v", longest)
	}
	if moves := out.Stats().Moves; moves > 1 {
		t.Errorf("the session has moved %d times", moves)
	}
}
