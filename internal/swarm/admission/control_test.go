// SPDX-License-Identifier: GPL-3.0-or-later

package admission

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

const (
	rate   = 1_000_000
	second = time.Second
)

var roomy = Limits{Waiting: 1000, From: 1000}

// edges have a budget of so many copies, and send so many.
func edges(budget, out int) Edges {
	return Edges{Budget: int64(budget) * rate, Out: int64(out) * rate, Feeds: int64(out) * rate}
}

func from(n byte) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 32)
}

func control(limits Limits, e Edges) *Control[int] {
	c := New[int](limits)
	c.SetRate(rate)
	c.SetEdges(e)
	return c
}

func (c *Control[K]) order() (list []K) {
	for k := range c.Waiting {
		list = append(list, k)
	}
	return list
}

func TestRoom(t *testing.T) {
	for name, c := range map[string]struct {
		s    Supply
		want int
	}{
		"an empty edge gives three quarters of its budget":   {Supply{Edges: edges(20, 0)}, 15},
		"what it sends is taken":                             {Supply{Viewers: 10, Edges: edges(20, 10)}, 5},
		"who has just come is about to take":                 {Supply{Viewers: 14, Fresh: 4, Edges: edges(20, 10)}, 1},
		"places at viewers, a part of which is found":        {Supply{Viewers: 100, Gives: 200 * rate, Edges: edges(20, 10)}, 5 + 110*findShare/100},
		"viewers take from each other what no edge gives":    {Supply{Viewers: 210, Gives: 200 * rate, Edges: edges(20, 10)}, 5},
		"what is missing is no debt of the edge's":           {Supply{Viewers: 300, Gives: 200 * rate, Edges: edges(20, 10)}, 5},
		"fewer of them where trees are deep":                 {Supply{Viewers: deepSwarm, Gives: 2 * deepSwarm * rate, Edges: edges(20, 10)}, 5 + (deepSwarm+10)*deepShare/100},
		"who is above its share at an edge needs places too": {Supply{Viewers: 100, Gives: 200 * rate, Edges: edges(20, 17)}, -2 + 117*findShare/100},
		"an edge that is full keeps everybody out":           {Supply{Viewers: 100, Gives: 900 * rate, Edges: edges(20, 18)}, 0},
		"no edge": {Supply{}, 0},
		"a stream whose rate is not known is taken for a large": {Supply{Edges: edges(20, 0)}, 15},
	} {
		c.s.Rate = rate
		if got := c.s.Room(); got != c.want {
			t.Errorf("%s: room for %d, want %d", name, got, c.want)
		}
	}
	if got := (Supply{Edges: edges(20, 0)}).Room(); got != 15*rate/assumedRate {
		t.Errorf("rate not known: room for %d", got)
	}
	if got := (Supply{Viewers: 1 << 20, Edges: Edges{Unlimited: true}}).Room(); got < 1<<30 {
		t.Errorf("no budget: room for %d", got)
	}
}

func TestOrder(t *testing.T) {
	c := control(roomy, edges(4, 0))
	for k := range 6 {
		verdict, place := c.Arrive(0, k, from(1))
		want, at := Admitted, 0
		if k >= 3 {
			want, at = Queued, k-2
		}
		if verdict != want || place != at {
			t.Errorf("viewer %d: %d, place %d; want %d, %d", k, verdict, place, want, at)
		}
	}
	// One waits no longer, one comes again: it keeps its place.
	c.Leave(4)
	if verdict, place := c.Arrive(second, 5, from(1)); verdict != Queued || place != 2 {
		t.Errorf("again: %d, place %d", verdict, place)
	}
	if in := c.Admit(second); len(in) != 0 {
		t.Errorf("%v came in without room", in)
	}
	// An arrival has found its places: there is room for others, in order,
	// and nobody overtakes them.
	c.Report(0, 12*rate, true, false)
	if verdict, _ := c.Arrive(second, 6, from(2)); verdict != Queued {
		t.Errorf("a newcomer overtook those who wait: %d", verdict)
	}
	if in := c.Admit(2 * second); !slices.Equal(in, []int{3, 5, 6}) {
		t.Errorf("%v came in", in)
	}
	if s := c.Stats(2 * second); s.Waiting != 0 || s.Served != 3 || s.Waited != 5*second {
		t.Errorf("%+v", s)
	}
}

// TestFull has a swarm that cannot grow: its viewers give less than they take.
// As many come in as the edge feeds, and the next one when one has left.
func TestFull(t *testing.T) {
	c := control(roomy, edges(20, 0))
	now := time.Duration(0)
	in := 0
	for k := range 100 {
		if verdict, _ := c.Arrive(now, k, from(1)); verdict == Admitted {
			in++
		}
	}
	for range 60 {
		now += second
		// Viewers give half a copy each, and the edge what is missing.
		for k := range in {
			c.Report(k, rate/2, true, false)
		}
		e := edges(20, max(in-in/2*85/100, 0))
		e.At = now
		c.SetEdges(e)
		in += len(c.Admit(now))
	}
	if in < 24 || in > 32 {
		t.Errorf("%d viewers are in, where an edge of 20 copies and half a copy of each carry some 26", in)
	}
	if got := len(c.order()); got != 100-in {
		t.Errorf("%d wait", got)
	}
	c.Leave(0)
	e := edges(20, 14)
	e.At = now + 10*second
	c.SetEdges(e)
	if again := c.Admit(now + 10*second); len(again) == 0 {
		t.Error("nobody took the place of one that has left")
	}
}

// TestGrowth lets a crowd in, each of which gives 1.5 copies.
func TestGrowth(t *testing.T) {
	c := New[int](Limits{Waiting: 100_000, From: 100_000})
	c.SetRate(rate)
	now := time.Duration(0)
	type came struct {
		key int
		at  time.Duration
	}
	var settling []came
	for k := range 20_000 {
		c.SetEdges(edges(64, 20))
		if verdict, _ := c.Arrive(now, k, from(1)); verdict == Admitted {
			settling = append(settling, came{k, now})
		}
	}
	for len(c.order()) > 0 && now < time.Minute {
		now += 100 * time.Millisecond
		settling = slices.DeleteFunc(settling, func(v came) bool {
			if now-v.at < 800*time.Millisecond {
				return false
			}
			c.Report(v.key, rate*3/2, true, false)
			return true
		})
		for _, k := range c.Admit(now) {
			settling = append(settling, came{k, now})
		}
	}
	if now > 50*second {
		t.Errorf("it took %v", now)
	}
}

func TestRefused(t *testing.T) {
	c := control(Limits{Waiting: 10, From: 4}, Edges{})
	for k := range 8 {
		verdict, _ := c.Arrive(0, k, from(1))
		if want := k < 4; (verdict == Queued) != want || c.Refuses(100+k, from(1)) != (k >= 3) {
			t.Errorf("number %d of one address: %d", k, verdict)
		}
	}
	for k := 10; k < 20; k++ {
		verdict, _ := c.Arrive(0, k, from(byte(k)))
		if want := k < 16; (verdict == Queued) != want {
			t.Errorf("%d: %d", k, verdict)
		}
	}
	if c.Refuses(0, from(1)) {
		t.Error("one that waits is refused")
	}
	c.Leave(0)
	if verdict, _ := c.Arrive(0, 50, from(1)); verdict != Queued {
		t.Errorf("a place that has become free: %d", verdict)
	}
}

// TestAway loses the connections of some that wait: their places are kept for a
// while, and they hold nobody up.
func TestAway(t *testing.T) {
	c := control(roomy, Edges{})
	for k := range 4 {
		c.Arrive(0, k, from(1))
	}
	c.Lose(second, 0)
	c.Lose(second, 1)
	c.SetEdges(edges(2, 0))
	if in := c.Admit(2 * second); !slices.Equal(in, []int{2}) {
		t.Errorf("%v came in", in)
	}
	if _, place := c.Arrive(3*second, 0, from(1)); place != 1 {
		t.Errorf("back in place %d", place)
	}
	c.SetEdges(Edges{})
	c.Admit(second + awayTime)
	if got := c.order(); !slices.Equal(got, []int{0, 3}) {
		t.Errorf("%v wait", got)
	}
}

// TestEnter lets those in at once that play.
func TestEnter(t *testing.T) {
	c := control(roomy, Edges{})
	c.Arrive(0, 1, from(1))
	c.Enter(0, 1)
	c.Enter(0, 2)
	if s := c.Supply(); s.Viewers != 2 || s.Fresh != 0 || c.Stats(0).Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// TestLiar says that it gives more than anybody can.
func TestLiar(t *testing.T) {
	c := control(roomy, edges(10, 0))
	c.Arrive(0, 1, from(1))
	c.Report(1, 1<<60, false, false)
	if s := c.Supply(); s.Gives != 0 {
		t.Errorf("it counts before it has a place: %+v", s)
	}
	c.Report(1, 1<<60, true, false)
	c.Report(2, 1<<60, true, false)
	if s := c.Supply(); s.Gives != maxCopies*rate || s.Fresh != 0 {
		t.Errorf("%+v", s)
	}
	c.Report(1, -5, true, false)
	c.Leave(1)
	if s := c.Supply(); s.Gives != 0 || s.Viewers != 0 {
		t.Errorf("%+v", s)
	}
}

// TestNeverSettled: where uplinks are short most viewers never find all of their places, and give all the same.
func TestNeverSettled(t *testing.T) {
	c := control(roomy, edges(10, 0))
	c.Arrive(0, 1, from(1))
	c.Report(1, 2*rate, false, true)
	if s := c.Supply(); s.Gives != 0 {
		t.Errorf("it counts while it is a newcomer: %+v", s)
	}
	e := edges(10, 1)
	e.At = freshTime
	c.SetEdges(e)
	c.Report(1, 2*rate, false, true)
	if s := c.Supply(); s.Gives != 2*rate || s.Fresh != 0 {
		t.Errorf("%+v", s)
	}
}

// TestSilentEdges has viewers come and go while no edge reports: nothing of them is kept.
func TestSilentEdges(t *testing.T) {
	c := control(roomy, edges(100, 0))
	for k := range 10_000 {
		c.Arrive(time.Duration(k)*second, k, from(1))
		if k > 0 { // the first one stays, and nothing shows it
			c.Leave(k)
		}
	}
	if err := books(c, map[int]bool{0: true}); err != nil {
		t.Error(err)
	}
}

// TestRandom checks the books after random events.
func TestRandom(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := control(Limits{Waiting: 30, From: 12}, edges(8, 0))
		now := time.Duration(0)
		in := map[int]bool{}
		for range 5000 {
			now += time.Duration(rng.IntN(300)) * time.Millisecond
			k := rng.IntN(80)
			switch rng.IntN(8) {
			case 0, 1, 2:
				verdict, _ := c.Arrive(now, k, from(byte(k%5)))
				in[k] = verdict == Admitted
			case 3:
				c.Leave(k)
				delete(in, k)
			case 4:
				c.Lose(now, k)
				delete(in, k)
			case 5:
				c.Report(k, int64(rng.IntN(4))*rate, rng.IntN(2) == 0, rng.IntN(2) == 0)
			case 6:
				e := edges(8, rng.IntN(9))
				e.At = now
				c.SetEdges(e)
			case 7:
				c.Enter(now, k)
				in[k] = true
			}
			for _, k := range c.Admit(now) {
				if in[k] {
					t.Fatalf("seed %d: %d came in twice", seed, k)
				}
				in[k] = true
			}
			if err := books(c, in); err != nil {
				t.Fatalf("seed %d, %v: %v", seed, now, err)
			}
		}
	}
}

func books(c *Control[int], in map[int]bool) error {
	viewers, fresh, uplink := 0, 0, int64(0)
	for k, g := range c.guests {
		if !in[k] {
			return fmt.Errorf("%d is not in", k)
		}
		viewers++
		uplink += g.gives
		if g.fresh {
			fresh++
		}
	}
	s := c.Supply()
	if s.Viewers != viewers || s.Fresh != fresh || s.Gives != uplink {
		return fmt.Errorf("%+v, where there are %d, %d fresh, with %d", s, viewers, fresh, uplink)
	}
	q := &c.queue
	waiting := 0
	for _, n := range q.from {
		if n <= 0 || n > q.limits.From {
			return fmt.Errorf("%d wait behind an address", n)
		}
		waiting += n
	}
	if waiting != len(q.byKey) || waiting != len(c.order()) || waiting > q.limits.Waiting {
		return fmt.Errorf("%d by address, %d by key, %d in order", waiting, len(q.byKey), len(c.order()))
	}
	if len(q.list) > 2*waiting+40 || len(c.fresh) > 2*s.Fresh+16 {
		return fmt.Errorf("the list has %d entries for %d, that of newcomers %d", len(q.list), waiting, len(c.fresh))
	}
	return nil
}
