// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

// times sends count datagrams of size bytes at once from A to B and returns when each arrived,
// 0 for those that did not.
func times(t *testing.T, n *Network, a, b *Host, count, size int) []time.Duration {
	t.Helper()
	from, to := listen(t, a, 0), listen(t, b, 0)
	check(t, to.SetReadBuffer(maxQueue))
	for i := range count {
		payload := make([]byte, size)
		copy(payload, fmt.Sprintf("%08d", i))
		write(t, from, payload, to.LocalAddr())
	}
	after := make([]time.Duration, count)
	for _, got := range drain(t, to) {
		var i int
		if _, err := fmt.Sscanf(got.payload[:8], "%d", &i); err != nil {
			t.Fatal(err)
		}
		after[i] = got.after
	}
	check(t, from.Close())
	check(t, to.Close())
	balance(t, n)
	return after
}

func TestLinkTimes(t *testing.T) {
	tests := []struct {
		name           string
		up, path, down Link
		count, size    int
		want           []time.Duration // 0: dropped
	}{
		{
			name: "delay is exact", up: Link{Delay: 40 * ms},
			count: 2, size: 100, want: []time.Duration{40 * ms, 40 * ms},
		},
		{
			name: "delays add up", up: Link{Delay: 10 * ms}, path: Link{Delay: 25 * ms}, down: Link{Delay: 5*ms + 1},
			count: 1, size: 100, want: []time.Duration{40*ms + 1},
		},
		{
			name: "rate spaces datagrams", up: Link{Delay: 40 * ms, Rate: 1e6},
			count: 3, size: 1250, want: []time.Duration{50 * ms, 60 * ms, 70 * ms},
		},
		{
			name: "rate counts the overhead", up: Link{Rate: 1e6, Overhead: 28},
			count: 2, size: 1222, want: []time.Duration{10 * ms, 20 * ms},
		},
		{
			name: "rate that does not divide rounds up", up: Link{Rate: 3e6},
			count: 1, size: 1000, want: []time.Duration{2666667},
		},
		{
			name: "the slower of two links paces", up: Link{Rate: 2e6}, down: Link{Rate: 1e6},
			count: 3, size: 1250, want: []time.Duration{15 * ms, 25 * ms, 35 * ms},
		},
		{
			name: "the queue drops its tail", up: Link{Rate: 1e6, Queue: 2500},
			count: 5, size: 1250, want: []time.Duration{10 * ms, 20 * ms, 30 * ms, 0, 0},
		},
		{
			name: "a queue too small for one datagram still sends one", up: Link{Rate: 1e6, Queue: 1},
			count: 2, size: 1250, want: []time.Duration{10 * ms, 0},
		},
		{
			name: "everything is lost", up: Link{Loss: 1},
			count: 2, size: 100, want: []time.Duration{0, 0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, 1)
				a := newTestHost(t, n, addrA, tt.up, Link{})
				b := newTestHost(t, n, addrB, Link{}, tt.down)
				n.SetPath(addrA, addrB, tt.path)
				if got := times(t, n, a, b, tt.count, tt.size); !slices.Equal(got, tt.want) {
					t.Errorf("arrived after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestLostUsesRate: loss does not make a link faster for what is not lost.
func TestLostUsesRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 1)
		a := newTestHost(t, n, addrA, Link{Rate: 1e6, Loss: 0.5, Queue: 1 << 20}, Link{})
		b := newTestHost(t, n, addrB, Link{}, Link{})
		for i, at := range times(t, n, a, b, 100, 1250) {
			if want := time.Duration(i+1) * 10 * ms; at != 0 && at != want {
				t.Fatalf("datagram %d after %v, want %v", i, at, want)
			}
		}
	})
}

func TestDefaultQueue(t *testing.T) {
	for rate, want := range map[int64]int{1e6: minDefaultQueue, 8e6: 100_000, 1e9: 12_500_000} {
		if got := (Link{Rate: rate}).queueLimit(); got != want {
			t.Errorf("queue at %d bit/s is %d bytes, want %d", rate, got, want)
		}
	}
}

// TestJitter: bounded, spread over its range, in order unless reordering is asked for.
func TestJitter(t *testing.T) {
	for _, reorder := range []bool{false, true} {
		t.Run(fmt.Sprintf("reorder %v", reorder), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, 7)
				a := newTestHost(t, n, addrA, Link{Delay: 20 * ms, Jitter: 10 * ms, Reorder: reorder}, Link{})
				b := newTestHost(t, n, addrB, Link{}, Link{})
				at := times(t, n, a, b, 1000, 20)
				low, high := slices.Min(at), slices.Max(at)
				if low < 20*ms || high > 30*ms {
					t.Errorf("arrivals between %v and %v, want 20 ms to 30 ms", low, high)
				}
				if high < 29*ms || reorder && low > 21*ms {
					t.Errorf("arrivals between %v and %v do not fill the range", low, high)
				}
				if sorted := slices.IsSorted(at); sorted == reorder {
					t.Errorf("in order: %v", sorted)
				}
			})
		})
	}
}

func TestLossAndDuplicateFraction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 20_000
		n := newNetwork(t, 3)
		a := newTestHost(t, n, addrA, Link{Delay: ms, Loss: 0.1}, Link{})
		b := newTestHost(t, n, addrB, Link{}, Link{Delay: ms, Duplicate: 0.05})
		times(t, n, a, b, count, 20)
		near := func(what string, got uint64, of, p float64) {
			sigma := math.Sqrt(of * p * (1 - p))
			if math.Abs(float64(got)-of*p) > 4*sigma {
				t.Errorf("%s %d of %.0f, want about %.0f", what, got, of, of*p)
			}
		}
		near("lost", a.Stats().Lost, count, 0.1)
		near("duplicated", b.Stats().Duplicated, count*0.9, 0.05)
	})
}

// outcome is what B and C saw of a run with loss, jitter and queues, under concurrent senders.
func outcome(t *testing.T, seed uint64, bystander bool) map[string]time.Duration {
	seen := make(map[string]time.Duration)
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, seed)
		line := Link{Delay: 10 * ms, Jitter: 5 * ms, Reorder: true, Loss: 0.2}
		a := newTestHost(t, n, addrA, line, line)
		b := newTestHost(t, n, addrB, line, line)
		sink := listen(t, newTestHost(t, n, addrC, line, line), 9)
		senders := []*Conn{listen(t, a, 0), listen(t, b, 0)}
		if bystander {
			extra := newTestHost(t, n, netip.MustParseAddr("2001:db8::1"), line, line)
			senders = append(senders, listen(t, extra, 0))
		}
		for _, c := range senders {
			go func() {
				for i := range 200 {
					if _, err := c.WriteTo(fmt.Appendf(nil, "%v %d", c.LocalAddr(), i), sink.LocalAddr()); err != nil {
						t.Error(err)
					}
					time.Sleep(ms)
				}
			}()
		}
		for _, got := range drain(t, sink) {
			if got.from.Addr().Is4() {
				seen[got.payload] = got.after
			}
		}
		balance(t, n)
	})
	return seen
}

func TestSameSeedSameResult(t *testing.T) {
	first := outcome(t, 42, false)
	if len(first) < 200 || len(first) > 310 { // 400 x 0.8 x 0.8 = 256
		t.Errorf("%d of 400 arrived", len(first))
	}
	same := func(other map[string]time.Duration) bool {
		if len(first) != len(other) {
			return false
		}
		for k, v := range first {
			if other[k] != v {
				return false
			}
		}
		return true
	}
	for range 5 {
		if !same(outcome(t, 42, false)) {
			t.Fatal("the same seed gave another result")
		}
	}
	if !same(outcome(t, 42, true)) {
		t.Error("traffic of a further host changed the fate of the others'")
	}
	if same(outcome(t, 43, false)) {
		t.Error("another seed gave the same result")
	}
}

// TestTiesAreOrdered: datagrams of several hosts that reach a full queue at the same instants
// are taken and dropped the same way in every run, whatever order the senders ran in.
func TestTiesAreOrdered(t *testing.T) {
	run := func() (arrivals []arrival) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, 1)
			sink := listen(t, newTestHost(t, n, addrC, Link{}, Link{Rate: 1e6, Queue: 5000}), 9)
			from := netip.MustParseAddr("198.51.100.1")
			for range 20 {
				c := listen(t, newTestHost(t, n, from, Link{Delay: 10 * ms}, Link{}), 0)
				from = from.Next()
				go func() {
					for range 20 {
						if _, err := c.WriteTo(make([]byte, 1000), sink.LocalAddr()); err != nil {
							t.Error(err)
						}
						time.Sleep(20 * ms)
					}
				}()
			}
			arrivals = drain(t, sink)
			balance(t, n)
		})
		return arrivals
	}
	first := run()
	for range 10 {
		if !slices.Equal(run(), first) {
			t.Fatal("a second run gave another result")
		}
	}
}

// TestIndependentSettings: more jitter loses the same datagrams.
func TestIndependentSettings(t *testing.T) {
	var lost [2][]bool
	for i, jitter := range []time.Duration{0, 3 * ms} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, 5)
			a := newTestHost(t, n, addrA, Link{Delay: ms, Loss: 0.3, Jitter: jitter}, Link{})
			b := newTestHost(t, n, addrB, Link{}, Link{})
			for _, at := range times(t, n, a, b, 500, 20) {
				lost[i] = append(lost[i], at == 0)
			}
		})
	}
	if !slices.Equal(lost[0], lost[1]) {
		t.Error("jitter changed which datagrams are lost")
	}
}

// TestSetUpMidway: what waits goes on at the new rate, what is on its way keeps its time.
func TestSetUpMidway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 1)
		a := newTestHost(t, n, addrA, Link{Rate: 1e6}, Link{})
		b := newTestHost(t, n, addrB, Link{}, Link{})
		from, to := listen(t, a, 0), listen(t, b, 0)
		for range 3 {
			write(t, from, make([]byte, 1250), to.LocalAddr())
		}
		if up, _ := a.Queued(); up != 2500 {
			t.Errorf("%d bytes wait, want 2500", up)
		}
		a.SetUp(Link{Rate: 10e6})
		var at []time.Duration
		for _, got := range drain(t, to) {
			at = append(at, got.after)
		}
		if want := []time.Duration{10 * ms, 11 * ms, 12 * ms}; !slices.Equal(at, want) {
			t.Errorf("arrived after %v, want %v", at, want)
		}
	})
}

func TestLinkValidate(t *testing.T) {
	bad := map[string]Link{
		"negative delay": {Delay: -1}, "delay": {Delay: maxTime + 1},
		"negative jitter": {Jitter: -1}, "jitter": {Jitter: maxTime + 1},
		"negative loss": {Loss: -0.1}, "loss": {Loss: 1.1}, "loss not a number": {Loss: math.NaN()},
		"duplicate": {Duplicate: 2}, "negative rate": {Rate: -1}, "rate": {Rate: maxRate + 1},
		"negative queue": {Queue: -1}, "queue": {Queue: maxQueue + 1},
		"negative overhead": {Overhead: -1}, "overhead": {Overhead: maxDatagram + 1},
	}
	n := newNetwork(t, 1)
	for name, l := range bad {
		t.Run(name, func(t *testing.T) {
			if l.Validate() == nil {
				t.Error("accepted")
			}
			if _, err := n.Host(addrA, l, Link{}); err == nil {
				t.Error("accepted as an up link")
			}
			if _, err := n.Host(addrA, Link{}, l); err == nil {
				t.Error("accepted as a down link")
			}
			defer func() {
				if recover() == nil {
					t.Error("accepted as a path")
				}
			}()
			n.SetPath(addrA, addrB, l)
		})
	}
}
