// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// The figures of congestion control, seen on whole sessions in virtual time. Links count 28 bytes of IP and
// UDP headers for each datagram; goodput is that of messages.

const (
	headers  = 28
	bulkSize = 8 << 10
)

// bottleneck is a line with a rate in Mbit/s and a queue of a duration, half a round trip of 50 ms away.
func bottleneck(mbit float64, queue time.Duration, loss float64) simnet.Link {
	return simnet.Link{
		Delay: 25 * time.Millisecond, Rate: int64(mbit * 1e6), Loss: loss,
		Queue: int(mbit * 1e6 / 8 * queue.Seconds()), Overhead: headers,
	}
}

// back is the way of the acknowledgements: as long, and never full.
var back = simnet.Link{Delay: 25 * time.Millisecond}

// linkWorld is a world with endpoints behind different lines.
type linkWorld struct {
	*world
	stop    context.CancelFunc
	ctx     context.Context
	running sync.WaitGroup
}

func newLinkWorld(t *testing.T, seed uint64) *linkWorld {
	ctx, cancel := context.WithCancel(context.Background())
	return &linkWorld{world: newWorld(t, seed), ctx: ctx, stop: cancel}
}

func (w *linkWorld) close() {
	w.stop()
	w.running.Wait()
	w.world.close()
}

func (w *linkWorld) line(up, down simnet.Link) (*Endpoint, *simnet.Host) {
	h, pc := w.host(up, down)
	e := start(w.t, pc, nil)
	w.all = append(w.all, e)
	return e, h
}

// transfer sends messages from a to b as fast as the session takes them, and counts what has arrived.
func (w *linkWorld) transfer(a, b *Endpoint) (*Conn, *atomic.Int64) {
	ca, cb := connect(w.t, a, b)
	received := new(atomic.Int64)
	msg := make([]byte, bulkSize)
	w.running.Go(func() {
		for ca.Channel(1).Send(w.ctx, msg) == nil {
		}
	})
	w.running.Go(func() {
		for {
			m, err := cb.Recv(w.ctx)
			if err != nil {
				return
			}
			received.Add(int64(len(m.Data)))
		}
	})
	return ca, received
}

// queueWatch looks at a host's uplink queue every 10 ms.
type queueWatch struct {
	rate  float64 // bit/s
	waits []time.Duration
}

func (q *queueWatch) watch(h *simnet.Host, d time.Duration) {
	for range d / (10 * time.Millisecond) {
		time.Sleep(10 * time.Millisecond)
		bytes, _ := h.Queued()
		q.waits = append(q.waits, time.Duration(float64(bytes)*8/q.rate*float64(time.Second)))
	}
}

func (q *queueWatch) mean() time.Duration {
	sum := time.Duration(0)
	for _, w := range q.waits {
		sum += w
	}
	return sum / time.Duration(max(len(q.waits), 1))
}

func (q *queueWatch) p95() time.Duration {
	sorted := slices.Sorted(slices.Values(q.waits))
	return sorted[len(sorted)*95/100]
}

func mbits(bytes int64, d time.Duration) float64 { return float64(bytes) * 8 / 1e6 / d.Seconds() }

// A bulk transfer fills 50 Mbit/s, which are 46.5 Mbit/s of messages, from its first second on, whether the path loses at
// random or not.
func TestLinkBulk(t *testing.T) {
	for _, loss := range []float64{0, 0.01} {
		t.Run(fmt.Sprintf("loss %v", loss), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLinkWorld(t, 1)
				defer w.close()
				a, ha := w.line(bottleneck(50, 50*time.Millisecond, loss), back)
				b, _ := w.line(simnet.Link{}, simnet.Link{})
				const d = 10 * time.Second
				_, received := w.transfer(a, b)
				q := queueWatch{rate: 50e6}
				q.watch(ha, d)
				rate := mbits(received.Load(), d)
				cost := float64(ha.Stats().SentBytes) / float64(received.Load())
				t.Logf("%.1f Mbit/s, bytes x%.3f, queue %v", rate, cost, q.mean())
				if rate < 43 || cost > 1.08 {
					t.Error("want 43 Mbit/s at x1.08")
				}
			})
		})
	}
}

// Four sessions of a home fill its uplink without filling its queue.
func TestLinkHome(t *testing.T) {
	for _, queue := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond} {
		seeds := uint64(10)
		if underRace {
			seeds = 2
		}
		for seed := range seeds {
			t.Run(fmt.Sprintf("queue %v seed %d", queue, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newLinkWorld(t, seed)
					defer w.close()
					a, ha := w.line(bottleneck(5, queue, 0), back)
					var received [4]*atomic.Int64
					for i := range received {
						b, _ := w.line(simnet.Link{}, simnet.Link{})
						_, received[i] = w.transfer(a, b)
						time.Sleep(time.Duration(seed) * 20 * time.Millisecond)
					}
					const d = 10 * time.Second
					time.Sleep(time.Second)
					sum := func() (n int64) {
						for _, r := range received {
							n += r.Load()
						}
						return n
					}
					before, sent := sum(), ha.Stats().SentBytes
					q := queueWatch{rate: 5e6}
					q.watch(ha, d)
					goodput := mbits(sum()-before, d)
					cost := float64(ha.Stats().SentBytes-sent) / float64(sum()-before)
					t.Logf("%.2f Mbit/s, bytes x%.3f, queue %v, p95 %v", goodput, cost, q.mean(), q.p95())
					if goodput < 0.9*5 || cost > 1.08 || q.mean() > 30*time.Millisecond || q.p95() > 50*time.Millisecond {
						t.Error("want 4.5 Mbit/s, x1.08, 30ms, 50ms")
					}
				})
			})
		}
	}
}

// Eight hosts that send to the same one have equal parts of its line, whenever each of them began.
func TestLinkFairness(t *testing.T) {
	seeds := 8
	if underRace {
		seeds = 4 // of two, one that is far from the others makes the mean
	}
	worst, mean := 1.0, 0.0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			index := linkFairness(t, uint64(seed))
			worst, mean = min(worst, index), mean+index/float64(seeds)
		})
	}
	t.Logf("Jain's index %.4f, the worst %.4f", mean, worst)
	if worst < 0.95 || mean < 0.98 {
		t.Error("want 0.98, and 0.95 of each")
	}
}

// linkFairness gives Jain's index of what the hosts have from 10 to 20 s after the last one began.
func linkFairness(t *testing.T, seed uint64) float64 {
	w := newLinkWorld(t, seed)
	defer w.close()
	rng := rand.New(rand.NewPCG(seed, 1))
	b, _ := w.line(simnet.Link{}, bottleneck(20, 100*time.Millisecond, 0))
	var received [8]*atomic.Int64
	for i := range received {
		a, _ := w.line(back, simnet.Link{})
		_, received[i] = w.transfer(a, b)
		time.Sleep(time.Duration(rng.Int64N(int64(100 * time.Millisecond))))
	}
	time.Sleep(10 * time.Second)
	var before [8]int64
	for i := range received {
		before[i] = received[i].Load()
	}
	time.Sleep(10 * time.Second)
	sum, squares := 0.0, 0.0
	for i := range received {
		v := float64(received[i].Load() - before[i])
		sum += v
		squares += v * v
	}
	index := sum * sum / 8 / squares
	t.Logf("seed %d: Jain's index %.4f, %.2f Mbit/s", seed, index, sum*8/10e6)
	if sum*8/10e6 < 17 {
		t.Error("want 17 Mbit/s")
	}
	return index
}

// An upload by TCP keeps most of the line.
func TestLinkBesideTCP(t *testing.T) {
	for _, queue := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("queue %v first %v", queue, first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newLinkWorld(t, 1)
					defer w.close()
					a, ha := w.line(bottleneck(5, queue, 0), back)
					b, _ := w.line(simnet.Link{}, simnet.Link{})
					_, hc := w.line(simnet.Link{}, simnet.Link{})
					var tcp *cubic
					if first {
						tcp = w.tcp(ha, hc)
						time.Sleep(3 * time.Second)
					}
					w.transfer(a, b)
					time.Sleep(3 * time.Second)
					if !first {
						tcp = w.tcp(ha, hc)
					}
					time.Sleep(3 * time.Second)
					before := tcp.delivered.Load()
					const d = 20 * time.Second
					time.Sleep(d)
					share := mbits((tcp.delivered.Load()-before)*cubicSegment, d) / 5
					t.Logf("TCP has %.3f", share)
					if share < 0.85 {
						t.Error("want 0.85")
					}
				})
			})
		}
	}
}

// After three seconds without a path, a session is at its full rate again within one.
func TestLinkBlackout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLinkWorld(t, 1)
		defer w.close()
		a, ha := w.line(bottleneck(10, 100*time.Millisecond, 0), back)
		b, _ := w.line(simnet.Link{}, simnet.Link{})
		_, received := w.transfer(a, b)
		time.Sleep(5 * time.Second)
		ha.Down(true)
		time.Sleep(3 * time.Second)
		ha.Down(false)
		time.Sleep(time.Second)
		before := received.Load()
		time.Sleep(2 * time.Second)
		rate := mbits(received.Load()-before, 2*time.Second)
		t.Logf("%.2f Mbit/s", rate)
		if rate < 8.5 {
			t.Error("want 8.5")
		}
	})
}

// When the line becomes slower the queue goes away, when it becomes faster it is used.
func TestLinkRateSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLinkWorld(t, 1)
		defer w.close()
		fast := bottleneck(10, 500*time.Millisecond, 0)
		slow := fast
		slow.Rate = 2e6
		a, ha := w.line(fast, back)
		b, _ := w.line(simnet.Link{}, simnet.Link{})
		_, received := w.transfer(a, b)
		time.Sleep(5 * time.Second)
		ha.SetUp(slow)
		time.Sleep(time.Second)
		q := queueWatch{rate: 2e6}
		q.watch(ha, time.Second)
		t.Logf("slow, in the second second: queue %v", q.mean())
		if q.mean() > 100*time.Millisecond {
			t.Error("want 100ms")
		}
		q.waits = nil
		before := received.Load()
		q.watch(ha, 3*time.Second)
		rate := mbits(received.Load()-before, 3*time.Second)
		t.Logf("slow: %.2f Mbit/s, queue %v, p95 %v", rate, q.mean(), q.p95())
		if q.mean() > 40*time.Millisecond || rate < 1.7 {
			t.Error("want 40ms and 1.7 Mbit/s")
		}
		ha.SetUp(fast)
		time.Sleep(2 * time.Second)
		before = received.Load()
		time.Sleep(2 * time.Second)
		rate = mbits(received.Load()-before, 2*time.Second)
		t.Logf("fast: %.2f Mbit/s", rate)
		if rate < 8.5 {
			t.Error("want 8.5 Mbit/s")
		}
	})
}

// What a path damages is as if it were lost.
func TestLinkCorruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		n := 0
		damage := func(b []byte) [][]byte {
			if n++; n%40 == 0 && b[0] == typeData {
				b = slices.Clone(b)
				b[n/40%len(b)] ^= 1 << (n % 8)
			}
			return [][]byte{b}
		}
		link := simnet.Link{Delay: 10 * time.Millisecond, Rate: 20e6}
		a := w.tapped(link, damage, nil)
		b := w.tapped(link, damage, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		const count = 500
		sent := sendNumbered(ctx, ca.Channel(1), count, bulkSize)
		if err := recvNumbered(ctx, cb.Channel(1), count, bulkSize); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		s := b.Stats()
		if s.Unauthentic+s.UnknownSession+s.Malformed+s.Foreign == 0 {
			t.Error("nothing was damaged")
		}
	})
}

// addrOf is a socket on a host of the simulated network.
func addrOf(h *simnet.Host, port uint16) netip.AddrPort { return netip.AddrPortFrom(h.Addr(), port) }
