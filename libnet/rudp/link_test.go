// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// A live stream's pieces, 8 KiB each at 4 Mbit/s over a round trip of 50 ms: how late they come, from the first one on.
func TestLatencyUnderLoss(t *testing.T) {
	tests := []struct {
		loss float64
		p99  time.Duration // at most
		wire float64       // bytes sent for each byte delivered, at most
	}{
		{0, 25 * time.Millisecond, 1.06},
		{0.01, 28 * time.Millisecond, 1.25},
		{0.05, 100 * time.Millisecond, 1.2},
		{0.10, 100 * time.Millisecond, 1.45},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.0f%%", tt.loss*100), func(t *testing.T) {
			seeds := uint64(4)
			if underRace {
				seeds = 1
			}
			var late []time.Duration
			var sent, delivered uint64
			for seed := range seeds {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, seed)
					defer w.close()
					l, s := w.stream(simnet.Link{Delay: 12500 * time.Microsecond, Loss: tt.loss / 2}, 1000)
					late = append(late, l...)
					sent += s.WireOut
					delivered += s.BytesOut
					t.Logf("%d found, %d repeated", s.Recovered, s.Retransmits)
				})
			}
			slices.Sort(late)
			n, wire := len(late), float64(sent)/float64(delivered)
			t.Logf("p50 %v, p95 %v, p99 %v, %.3f bytes for each byte", late[n/2], late[n*95/100], late[n*99/100], wire)
			if p99 := late[n*99/100]; p99 > tt.p99 || wire > tt.wire {
				t.Errorf("want p99 at most %v and at most %.2f bytes", tt.p99, tt.wire)
			}
		})
	}
}

// stream sends pieces of 8 KiB at 4 Mbit/s and gives how late they came, sorted.
func (w *world) stream(link simnet.Link, count int) ([]time.Duration, ConnStats) {
	const size = 8 << 10
	const pause = size * 8 * time.Second / 4e6
	a, _ := w.endpoint(link, nil)
	b, _ := w.endpoint(link, nil)
	ca, cb := connect(w.t, a, b)
	ctx := ctxFor(w.t, 10*time.Minute)
	begin := time.Now()
	go func() {
		for i := range count {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * pause)))
			if err := ca.Channel(1).Send(ctx, numbered(i, size)); err != nil {
				w.t.Error(err)
				return
			}
		}
	}()
	late := make([]time.Duration, count)
	for i := range late {
		if _, err := cb.Channel(1).Recv(ctx); err != nil {
			w.t.Fatal(err)
		}
		late[i] = time.Since(begin.Add(time.Duration(i) * pause))
	}
	slices.Sort(late)
	return late, ca.Stats()
}

// Four sessions share a home's uplink of 5 Mbit/s: they fill it, and do not flood it once they have found
// its limits.
func TestHomeUplink(t *testing.T) {
	for _, queue := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(queue.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const rate, sessions, seconds, settled = 5e6, 4, 20, 5
				w := newWorld(t, 1)
				defer w.close()
				line := simnet.Link{Delay: 12 * time.Millisecond}
				a, home := w.endpoint(line, nil)
				up := line
				up.Rate, up.Queue, up.Overhead = rate, int(rate/8*queue.Seconds()), 28
				home.SetUp(up)
				ctx, cancel := context.WithTimeout(context.Background(), seconds*time.Second)
				defer cancel()
				var got atomic.Int64
				var out []*Conn
				for range sessions {
					b, _ := w.endpoint(line, nil)
					ca, cb := connect(t, a, b)
					out = append(out, ca)
					sendNumbered(ctx, ca.Channel(1), 1<<30, 8<<10)
					go func() {
						for {
							m, err := cb.Recv(ctx)
							if err != nil {
								return
							}
							got.Add(int64(len(m.Data)))
						}
					}()
				}
				time.Sleep(settled * time.Second)
				var standing time.Duration
				samples := 0
				for ; ctx.Err() == nil; samples++ {
					time.Sleep(10 * time.Millisecond)
					bytes, _ := home.Queued()
					standing += time.Duration(float64(bytes) * 8 / rate * float64(time.Second))
				}
				standing /= time.Duration(samples)
				wire := 0.0
				for _, c := range out {
					wire += float64(c.Stats().WireOut)
				}
				wire /= float64(got.Load())
				goodput := float64(got.Load()) * 8 / seconds
				t.Logf("%.2f Mbit/s, standing queue %v, %.3f bytes for each byte", goodput/1e6, standing, wire)
				if goodput < 0.9*rate || standing > 30*time.Millisecond || wire > 1.08 {
					t.Error("want at least 4.5 Mbit/s, at most 30 ms and 1.08 bytes")
				}
			})
		})
	}
}
