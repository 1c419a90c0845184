// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"testing"
	"time"

	"p2plive/libnet/simnet"
)

// What comes down a home's line must not take much of its narrow uplink: a
// live stream of 3 Mbit/s in pieces of 12 KiB costs its receiver less than
// 60 kbit/s with IP and UDP headers, and is not a moment later for it.
func TestAcknowledgementsAreFew(t *testing.T) {
	link := simnet.Link{Delay: 10 * time.Millisecond, Rate: 20_000_000, Overhead: 28}
	pair(t, link, nil, func(t *testing.T, ca, cb *Conn) {
		const pieces, size, every = 300, 12_500, 33 * time.Millisecond
		ctx := ctxFor(t, time.Minute)
		went := make(chan time.Time, pieces)
		done := make(chan error, 1)
		go func() {
			for range pieces {
				went <- time.Now()
				if err := ca.Channel(1).Send(ctx, make([]byte, size)); err != nil {
					done <- err
					return
				}
				time.Sleep(every)
			}
			done <- nil
		}()
		before := cb.Stats()
		for range pieces {
			if _, err := cb.Recv(ctx); err != nil {
				t.Fatal(err)
			}
			if late := time.Since(<-went); late > 60*time.Millisecond {
				t.Errorf("a piece took %v", late)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		after := cb.Stats()
		sent := int(after.DatagramsOut - before.DatagramsOut)
		bytes := int(after.WireOut-before.WireOut) + 28*sent
		rate := float64(bytes) * 8 / (pieces * every.Seconds())
		t.Logf("%d datagrams for %d pieces of 11 datagrams each, %.0f bit/s", sent, pieces, rate)
		if rate > 60_000 {
			t.Errorf("%.0f bit/s of acknowledgements", rate)
		}
		if n := ca.Stats().Retransmits; n > 3 {
			t.Errorf("%d segments were sent again on a path that loses nothing", n)
		}
	})
}
