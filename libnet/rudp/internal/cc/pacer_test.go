// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const packet = 1200

// deal runs a pacer for a while: sessions send whole packets, and always have more of what they had.
func deal(p *Pacer, from, d time.Duration, sessions []*Session, has map[*Session][]Class) map[*Session]*[numClasses]int {
	sent := map[*Session]*[numClasses]int{}
	for _, s := range sessions {
		sent[s] = new([numClasses]int)
	}
	now := from
	refill := func() {
		for _, s := range sessions {
			for _, c := range has[s] {
				p.SetDemand(s, c, 100*packet, 0)
			}
		}
	}
	refill()
	for now < from+d {
		s, c, n := p.Next(now)
		if s == nil {
			at, ok := p.NextDeadline(now)
			if !ok {
				break
			}
			now = max(at, now+1)
			continue
		}
		bytes := 0
		for bytes < n {
			bytes += packet
		}
		sent[s][c] += bytes
		p.Sent(now, s, c, bytes)
		refill()
	}
	return sent
}

func total(sent map[*Session]*[numClasses]int) (sum int) {
	for _, classes := range sent {
		for _, n := range classes {
			sum += n
		}
	}
	return sum
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s: %.0f, want %.0f", what, got, want)
	}
}

func TestUploadLimit(t *testing.T) {
	for _, rate := range []float64{20e3, 625e3, 125e6} {
		p := NewPacer(time.Hour)
		p.SetUploadLimit(time.Hour, rate)
		s := &Session{}
		sent := deal(p, time.Hour, 10*time.Second, []*Session{s}, map[*Session][]Class{s: {Newest}})
		within(t, "bytes", float64(total(sent)), 10*rate, 0.03)
	}
}

// What the line is taken to carry bounds the host as a limit does; the lesser of both counts.
func TestLine(t *testing.T) {
	for _, tt := range []struct{ limit, line, want float64 }{{0, 625e3, 625e3}, {625e3, 1e6, 625e3}, {1e6, 625e3, 625e3}} {
		p := NewPacer(time.Hour)
		p.SetUploadLimit(time.Hour, tt.limit)
		p.SetLine(time.Hour, tt.line)
		s := &Session{}
		sent := deal(p, time.Hour, 10*time.Second, []*Session{s}, map[*Session][]Class{s: {Newest}})
		within(t, "bytes", float64(total(sent)), 10*tt.want, 0.03)
		if p.SetLine(2*time.Hour, 0); p.Rate() != tt.limit {
			t.Errorf("%.0f bytes a second when the line is not known any more, want %.0f", p.Rate(), tt.limit)
		}
	}
}

// Sessions of one class have equal parts, whatever their number.
func TestTurns(t *testing.T) {
	for _, n := range []int{2, 7, 1000} {
		p := NewPacer(0)
		p.SetUploadLimit(0, 10e6)
		has := map[*Session][]Class{}
		var sessions []*Session
		for range n {
			s := &Session{}
			sessions = append(sessions, s)
			has[s] = []Class{Newest}
		}
		deal(p, 0, 5*time.Second, sessions[:1], has) // the first one has had much
		sent := deal(p, 5*time.Second, 2*time.Second, sessions, has)
		for _, s := range sessions {
			within(t, "part", float64(sent[s][Newest]), 20e6/float64(n), 0.15)
		}
	}
}

// On a line that is known older messages go first, and whole, whatever the order in which sessions come; who cannot send
// now holds up nobody.
func TestOldestFirst(t *testing.T) {
	p := NewPacer(0)
	p.SetLine(0, 1e6)
	a, b, c := &Session{}, &Session{}, &Session{}
	const message = 10 * packet
	left := map[*Session]int{a: message, b: message, c: message}
	p.SetDemand(c, Newest, message, 3)
	p.SetDemand(a, Newest, message, 1)
	p.SetDemand(b, Newest, message, 2)
	var order []*Session
	for now := time.Duration(0); len(order) < 30; {
		s, class, n := p.Next(now)
		if s == nil {
			at, ok := p.NextDeadline(now)
			if !ok {
				t.Fatalf("nothing more after %d packets", len(order))
			}
			now = max(at, now+1)
			continue
		}
		sent := 0
		for sent < n {
			sent += packet
			order = append(order, s)
		}
		left[s] -= sent
		p.Sent(now, s, class, sent)
		switch {
		case s == a && left[a] == 4*packet && len(order) < 10:
			p.SetDemand(a, Newest, 0, 1) // its window is full
		case len(order) == 10:
			p.SetDemand(a, Newest, left[a], 1)
			p.SetDemand(s, Newest, left[s], 2)
		default:
			p.SetDemand(s, class, left[s], map[*Session]uint64{a: 1, b: 2, c: 3}[s])
		}
	}
	want := slices.Concat(slices.Repeat([]*Session{a}, 6), slices.Repeat([]*Session{b}, 4), slices.Repeat([]*Session{a}, 4),
		slices.Repeat([]*Session{b}, 6), slices.Repeat([]*Session{c}, 10))
	if !slices.Equal(order, want) {
		name := map[*Session]string{a: "a", b: "b", c: "c"}
		var got string
		for _, s := range order {
			got += name[s]
		}
		t.Errorf("sent in the order %s", got)
	}
}

// A class goes before later ones, which keep their least shares.
func TestClasses(t *testing.T) {
	p := NewPacer(0)
	p.SetUploadLimit(0, 1e6)
	a, b, c, d := &Session{}, &Session{}, &Session{}, &Session{}
	sent := deal(p, 0, 10*time.Second, []*Session{a, b, c, d},
		map[*Session][]Class{a: {Rescue}, b: {Newest}, c: {Repair}, d: {Background}})
	within(t, "newest", float64(sent[b][Newest]), 0.30/1.3*10e6, 0.15)
	within(t, "repair", float64(sent[c][Repair]), 0.10*10e6, 0.15)
	within(t, "background", float64(sent[d][Background]), 0.05*10e6, 0.15)
	within(t, "all", float64(total(sent)), 10e6, 0.02)
	if rest := sent[a][Rescue]; rest < 5e6 {
		t.Errorf("rescue has %d", rest)
	}

	// Nobody's share is kept for those who have nothing.
	for _, s := range []*Session{b, c, d} {
		p.Remove(s)
	}
	sent = deal(p, 10*time.Second, 10*time.Second, []*Session{a}, map[*Session][]Class{a: {Rescue}})
	within(t, "rescue alone", float64(sent[a][Rescue]), 10e6, 0.02)
}

// What controls goes at once, and is paid for afterwards.
func TestControlDoesNotWait(t *testing.T) {
	p := NewPacer(0)
	p.SetUploadLimit(0, 100e3)
	bulk, control := &Session{}, &Session{}
	deal(p, 0, time.Second, []*Session{bulk}, map[*Session][]Class{bulk: {Newest}})
	p.SetDemand(control, Control, packet, 0)
	s, c, n := p.Next(time.Second)
	if s != control || c != Control || n != packet {
		t.Fatalf("%v %v %d", s == control, c, n)
	}
	p.Sent(time.Second, s, c, packet)
	if s, _, _ := p.Next(time.Second); s != nil {
		t.Error("the debt was not paid")
	}
	if at, ok := p.NextDeadline(time.Second); !ok || at < time.Second+10*time.Millisecond || at > time.Second+60*time.Millisecond {
		t.Errorf("next at %v, %v", at, ok)
	}
}

func TestBudget(t *testing.T) {
	p := NewPacer(0)
	p.SetBudget(50 * packet)
	s := &Session{}
	has := map[*Session][]Class{s: {Newest}}
	sent := total(deal(p, 0, time.Minute, []*Session{s}, has))
	if sent < 50*packet || sent > 50*packet+maxQuantum || p.Budget() != 0 {
		t.Errorf("%d bytes sent, %d left", sent, p.Budget())
	}
	if _, ok := p.NextDeadline(time.Minute); ok {
		t.Error("there is a next time without a budget")
	}
	p.SetDemand(s, Control, packet, 0)
	if got, c, _ := p.Next(time.Minute); got != s || c != Control {
		t.Error("control is held back")
	}
	p.SetBudget(-1)
	if got, _, _ := p.Next(time.Minute); got != s || p.Budget() != math.MaxInt64 {
		t.Error("the bound is not lifted")
	}
}

// A session's own pacing holds only itself back.
func TestSessionPacing(t *testing.T) {
	p := NewPacer(0)
	slow, fast := &Session{}, &Session{}
	p.SetRate(slow, 100e3)
	p.SetRate(fast, 1e6)
	sent := deal(p, 0, 10*time.Second, []*Session{slow, fast}, map[*Session][]Class{slow: {Newest}, fast: {Newest}})
	within(t, "slow", float64(sent[slow][Newest]), 1e6, 0.1)
	within(t, "fast", float64(sent[fast][Newest]), 10e6, 0.1)
}

func TestUplinkEstimate(t *testing.T) {
	p := NewPacer(0)
	now := time.Duration(0)
	for range 1000 { // 1 MB/s with a queue
		now += 10 * time.Millisecond
		p.OnDelivered(now, 10e3, Estimates{Queue: 20 * time.Millisecond, MinRTT: 30 * time.Millisecond})
		p.Next(now)
	}
	within(t, "estimate", p.Uplink(), 1e6, 0.05)
	within(t, "rate", p.Rate(), 1.25e6, 0.05)
	p.SetUploadLimit(now, 0.5e6)
	within(t, "limit", p.Rate(), 0.5e6, 0)
	p.SetUploadLimit(now, 0)
	now += 2 * time.Second
	p.Next(now)
	if p.Rate() != 0 {
		t.Error("an idle line has a bound")
	}
	within(t, "estimate kept", p.Uplink(), 1e6, 0.05)
}

// What was delivered while there was little to send holds back what comes when a busy host's delays look like a queue, but
// not for long.
func TestUplinkAfterLittle(t *testing.T) {
	p := NewPacer(0)
	now := time.Duration(0)
	busy := Estimates{Queue: 20 * time.Millisecond, MinRTT: 100 * time.Microsecond}
	for range 100 {
		now += 10 * time.Millisecond
		p.OnDelivered(now, 300, busy)
	}
	within(t, "estimate", p.Uplink(), 30e3, 0.05)
	var s Session
	p.SetDemand(&s, Newest, 1<<20, 0)
	p.Charge(now, 10e6)
	if at, ok := p.NextDeadline(now); !ok || at > now+minUplinkInterval {
		t.Errorf("a debt is looked at again after %v, %v", at-now, ok)
	}
	// All that is sent is delivered.
	begin := now
	for sent := 0; sent < 100e6; {
		if owner, c, n := p.Next(now); owner != nil {
			p.Sent(now, &s, c, n)
			p.OnDelivered(now, n, busy)
			p.SetDemand(&s, Newest, 1<<20, 0)
			sent += n
			continue
		}
		now += time.Millisecond
	}
	if took := now - begin; took > 1500*time.Millisecond {
		t.Errorf("100 MB took %v", took)
	}
}

// Whatever happens in whatever order, the pacer's structures agree with each other.
func TestPacerAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := NewPacer(0)
	p.SetUploadLimit(0, 1e6)
	sessions := make([]Session, 50)
	now := time.Duration(0)
	for range 20_000 {
		s := &sessions[r.IntN(len(sessions))]
		switch r.IntN(7) {
		case 6:
			p.SetLine(now, float64(r.IntN(2))*2e6)
		case 0:
			p.SetDemand(s, Class(r.IntN(numClasses)), r.IntN(5*packet), uint64(r.IntN(100)))
		case 1:
			p.SetRate(s, float64(r.IntN(3))*50e3)
		case 2:
			p.Remove(s)
		case 3:
			now += time.Duration(r.IntN(5)) * time.Millisecond
		default:
			if s, c, n := p.Next(now); s != nil {
				p.Sent(now, s, c, r.IntN(n+packet))
			}
		}
		checkPacer(t, p, sessions, now)
		if t.Failed() {
			return
		}
	}
}

func checkPacer(t *testing.T, p *Pacer, sessions []Session, now time.Duration) {
	t.Helper()
	for i := range p.held {
		if p.held[i].index != i+1 || i > 0 && p.held[(i-1)/2].at > p.held[i].at {
			t.Error("the heap is not one")
		}
	}
	for i := range sessions {
		s := &sessions[i]
		demand := false
		for c := range s.queues {
			q := &s.queues[c]
			demand = demand || q.demand > 0
			if (q.next != nil) != (q.demand > 0 && s.index == 0) {
				t.Errorf("class %d: in the ring %v, demand %d, held %d", c, q.next != nil, q.demand, s.index)
			}
			if q.next != nil && (q.next.queues[c].prev != s || q.prev.queues[c].next != s || p.classes[c].head == nil) {
				t.Error("the ring is not one")
			}
		}
		if s.index != 0 && !demand {
			t.Error("held without demand")
		}
	}
}

func TestPacerAllocatesNothing(t *testing.T) {
	p := NewPacer(0)
	p.SetUploadLimit(0, 10e6)
	sessions := make([]Session, 100)
	now := time.Duration(0)
	round := func() {
		for i := range sessions {
			p.SetRate(&sessions[i], 1e5)
			p.SetDemand(&sessions[i], Newest, 3*packet, 0)
		}
		for range 300 {
			if s, c, n := p.Next(now); s != nil {
				p.Sent(now, s, c, n)
				continue
			}
			if at, ok := p.NextDeadline(now); ok {
				now = max(at, now+1)
			}
		}
		p.OnDelivered(now, packet, Estimates{Queue: time.Millisecond})
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPacer(b *testing.B) {
	p := NewPacer(0)
	p.SetUploadLimit(0, 1e9)
	sessions := make([]Session, 5000)
	for i := range sessions {
		p.SetRate(&sessions[i], 1e6)
		p.SetDemand(&sessions[i], Class(i%numClasses), 1<<30, 0)
	}
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		s, c, _ := p.Next(now)
		if s == nil {
			at, _ := p.NextDeadline(now)
			now = max(at, now+1)
			continue
		}
		p.Sent(now, s, c, packet)
		p.SetDemand(s, c, 1<<30, 0)
	}
}
