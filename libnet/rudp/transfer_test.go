// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// Messages of all sizes arrive whole and in order over every kind of path.
func TestTransferOverBadPaths(t *testing.T) {
	tests := []struct {
		name string
		link simnet.Link // each way crosses it twice
		size int
	}{
		{"clean", simnet.Link{Delay: 5 * time.Millisecond}, 8 << 10},
		{"tiny messages", simnet.Link{Delay: 5 * time.Millisecond}, 1},
		{"largest messages", simnet.Link{Delay: 5 * time.Millisecond}, MaxMessage},
		{"1% loss", simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.005}, 8 << 10},
		{"5% loss", simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.025}, 8 << 10},
		{"10% loss", simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.05}, 8 << 10},
		{"30% loss", simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.16}, 8 << 10},
		{"reordered", simnet.Link{Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond}, 8 << 10},
		{"slow", simnet.Link{Delay: 5 * time.Millisecond, Rate: 2e6}, 8 << 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer w.close()
				a, _ := w.endpoint(tt.link, nil)
				b, _ := w.endpoint(tt.link, nil)
				ca, cb := connect(t, a, b)
				ctx := ctxFor(t, 2*time.Minute)
				const count = 300
				begin := time.Now()
				sent := sendNumbered(ctx, ca.Channel(7), count, tt.size)
				if err := recvNumbered(ctx, cb.Channel(7), count, tt.size); err != nil {
					t.Fatal(err)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				took := time.Since(begin)
				s := ca.Stats()
				t.Logf("%v: %.1f Mbit/s, %.3f bytes on the wire per byte, %d of %d segments again, RTT %v (min %v), window %d",
					took, float64(s.BytesOut)*8/1e6/took.Seconds(), float64(s.WireOut)/float64(s.BytesOut),
					s.Retransmits, s.SegmentsOut, s.RTT, s.MinRTT, s.Window)
			})
		})
	}
}

var _ = fmt.Sprint
