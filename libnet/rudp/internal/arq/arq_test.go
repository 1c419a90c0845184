// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"fmt"
	"testing"
)

const ms = millisecond

var badPaths = []struct {
	name string
	path path
}{
	{"clean", path{delay: 25 * ms}},
	{"1% loss", path{delay: 25 * ms, loss: 0.01}},
	{"10% loss", path{delay: 25 * ms, loss: 0.1}},
	{"40% loss", path{delay: 10 * ms, loss: 0.4}},
	{"reordered", path{delay: 20 * ms, jitter: 30 * ms}},
	{"everything", path{delay: 5 * ms, jitter: 20 * ms, loss: 0.1, dup: 0.1}},
	{"instant", path{}},
}

// Messages arrive exactly once, whole and in order, both ways, whatever the path does.
func TestTransfer(t *testing.T) {
	for _, tt := range badPaths {
		for _, extended := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/extended=%v", tt.name, extended), func(t *testing.T) {
				seeds := uint64(5)
				if underRace {
					seeds = 1
				}
				for seed := range seeds {
					a, b := newOwn(extended), newOwn(extended)
					l := newLine(t, seed, a, b, tt.path)
					l.transfer(300, 10_000)
					if seed == 0 {
						t.Logf("%v, wire %.3f, %+v", l.now-second, float64(l.bytes[0])/(300*5000), a.Stats())
					}
					checkBounds(t, a.Core)
					a.Trim()
					if len(a.win.ring) > smallRing || len(a.in.ring) > smallRing {
						t.Error("an idle conversation keeps its rings")
					}
				}
			})
		}
	}
}

func checkBounds(t *testing.T, c *Core) {
	t.Helper()
	if len(c.win.ring) > maxInFlight || len(c.in.ring) > 2*testWindow || c.in.held > testWindow || c.in.early != 0 {
		t.Errorf("rings of %d and %d, held %d, early %d", len(c.win.ring), len(c.in.ring), c.in.held, c.in.early)
	}
	if c.flight.n != 0 || c.lost.n != 0 || c.sacked != 0 || c.queued != 0 || c.segments != 0 {
		t.Errorf("left in flight %d, lost %d, acknowledged %d, queued %d in %d", c.flight.n, c.lost.n, c.sacked, c.queued, c.segments)
	}
}

// On a clean path nothing is sent twice, and datagrams are full.
func TestCleanPathCostsNothing(t *testing.T) {
	a, b := newOwn(true), newOwn(true)
	l := newLine(t, 1, a, b, path{delay: 25 * ms})
	l.transfer(500, 20_000)
	if s := a.Stats(); s.Again != 0 || s.Timeouts != 0 {
		t.Errorf("%+v", s)
	}
}

// A loss in the middle is repaired one and a half round trips after it was sent; at the end, when a probe finds it.
func TestLossLatency(t *testing.T) {
	for _, tt := range []struct {
		name  string
		drop  []int // datagrams of a's 7
		again bool  // and the retransmission with it
		want  Time
	}{
		{"none", nil, false, 25 * ms},
		{"first", []int{0}, false, 75 * ms},
		{"middle", []int{3}, false, 75 * ms},
		{"last", []int{6}, false, 90 * ms},
		{"last two", []int{5, 6}, false, 90 * ms},
		{"all", []int{0, 1, 2, 3, 4, 5, 6}, false, 140 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newOwn(true), newOwn(true)
			a.SetLevel(Fast)
			l := newLine(t, 1, a, b, path{delay: 25 * ms})
			l.transfer(1000, 8000) // the round trip is known
			begin, n := l.now, 0
			l.paths[0].down = func(Time) bool {
				n++
				for _, d := range tt.drop {
					if n == d+1 {
						return true
					}
				}
				return false
			}
			a.send(l.now, numbered(0, 1, 7*testPayload))
			for {
				l.step(begin + 10*second)
				if _, ok := b.recv(); ok {
					break
				}
			}
			if took := l.now - begin; took > tt.want {
				t.Errorf("it took %d us, want at most %d", took, tt.want)
			}
		})
	}
}

// After a blackout the conversation goes on within the longest timeout, and little was sent meanwhile.
func TestBlackout(t *testing.T) {
	a, b := newOwn(true), newOwn(true)
	l := newLine(t, 1, a, b, path{delay: 25 * ms})
	l.transfer(30, 8000)
	from, until := l.now+100*ms, l.now+3*second
	down := func(now Time) bool { return now >= from && now < until }
	l.paths[0].down, l.paths[1].down = down, down
	for i := range 100 {
		a.send(l.now, numbered(0, i, 8000))
	}
	for l.now < until {
		l.step(until)
		for {
			if _, ok := b.recv(); !ok {
				break
			}
		}
	}
	sent := a.Stats().Again
	got := false
	for end := until + 1100*ms; l.now < end && !got; {
		l.step(end)
		_, got = b.recv()
	}
	if !got || sent > 30 {
		t.Errorf("received: %v; %d retransmissions into the dark", got, sent)
	}
}

// A path that suddenly takes a second longer causes no flood of retransmissions.
func TestDelaySpike(t *testing.T) {
	a, b := newOwn(true), newOwn(true)
	l := newLine(t, 1, a, b, path{delay: 10 * ms})
	l.transfer(30, 8000)
	l.paths[0].delay = 500 * ms
	before := a.Stats()
	l.transfer(30, 8000)
	s := a.Stats()
	if n := s.Again - before.Again; n > 12 {
		t.Errorf("%d retransmissions, %d timeouts", n, s.Timeouts-before.Timeouts)
	}
}

// A reader that stops closes the window; when it goes on, so does the sender, though the news was lost.
func TestClosedWindow(t *testing.T) {
	for _, lose := range []bool{false, true} {
		a, b := newOwn(true), newOwn(true)
		a.limit = 1000
		l := newLine(t, 1, a, b, path{delay: 10 * ms})
		count := 0
		for a.send(l.now, numbered(0, count, 5*testPayload)) {
			count++
		}
		for end := l.now + 20*second; l.now < end; {
			l.step(end)
		}
		if b.in.held > testWindow || b.in.held < testWindow-5 || a.InFlight() != 0 {
			t.Fatalf("held %d, in flight %d", b.in.held, a.InFlight())
		}
		if n := a.Stats().Sent; n > testWindow+5 {
			t.Errorf("%d segments sent into a closed window", n)
		}
		if lose {
			n := 0
			l.paths[1].down = func(Time) bool { n++; return n == 1 }
		}
		for i := range count {
			for begin := l.now; ; {
				if msg, ok := b.recv(); ok {
					if err := check(msg, 0, i, 5*testPayload); err != nil {
						t.Fatal(err)
					}
					break
				}
				if l.now > begin+10*second {
					t.Fatalf("stuck at message %d of %d (lose=%v)", i, count, lose)
				}
				l.step(l.now + second)
			}
		}
	}
}

// Messages past their deadline leave the queue; the receiver learns how many, in their place.
func TestDeadlines(t *testing.T) {
	a, b := newOwn(true), newOwn(true)
	l := newLine(t, 3, a, b, path{delay: 10 * ms, loss: 0.1})
	a.limit = 20
	a.Send(numbered(0, 0, 30*testPayload), l.now+5*ms) // begun in time
	for i := range 5 {
		a.Send(numbered(0, 1+i, 5000), l.now+5*ms) // not begun
	}
	a.Send(numbered(0, 6, 100), 0)
	a.Send(numbered(0, 7, 100), l.now+1)
	type got struct{ i, skipped int }
	var all []got
	for end := l.now + 10*second; l.now < end; {
		l.step(end)
		for {
			msg, skipped, ok := b.Recv()
			if !ok {
				break
			}
			all = append(all, got{int(msg[0]) >> 1, skipped})
		}
	}
	if want := fmt.Sprint([]got{{0, 0}, {6, 5}}); fmt.Sprint(all) != want {
		t.Errorf("got %v, want %v", all, want)
	}
	if a.Stats().Expired != 6 || b.Stats().Skipped != 6 || a.Waiting() != 0 {
		t.Errorf("%+v, %+v", a.Stats(), b.Stats())
	}
	checkBounds(t, a.Core)
}

func TestExpireMakesRoom(t *testing.T) {
	a := newOwn(true)
	for i := range 10 {
		a.Send(numbered(0, i, 3000), Time(100+i%2*100))
	}
	if n := a.Expire(150); n != 5 || a.Waiting() != 15 || a.Unsent() != 15000 {
		t.Errorf("%d expired, %d segments and %d bytes wait", n, a.Waiting(), a.Unsent())
	}
	a.Release()
}

// Headers come back as they were, in the form of KCP and in the short one.
func TestHeaders(t *testing.T) {
	for cmd := uint8(CmdPush); cmd <= CmdParity; cmd++ {
		for _, short := range []bool{false, true} {
			h := Header{Conv: 7, Cmd: cmd, Frg: 3, Window: 600, Ts: 1 << 31, Sn: 1<<32 - 2, Una: 1<<32 - 3, Len: 5}
			b := h.append(nil, short)
			want, length := h, HeaderLen
			if short {
				want.Conv, length = 0, ShortLen
				if h.tells(true) {
					length += tellLen
				} else {
					want.Window, want.Una = 0, 0
				}
			}
			b = append(b, "bodyXrest"...)
			got, body, rest, ok := parse(b, short)
			if !ok || got != want || string(body) != "bodyX" || string(rest) != "rest" {
				t.Errorf("command %d, short %v: %+v, %q, %q, %v", cmd, short, got, body, rest, ok)
			}
			for n := range length + 5 {
				if _, _, _, ok := parse(b[:n], short); ok {
					t.Errorf("command %d, short %v: %d bytes are a segment", cmd, short, n)
				}
			}
		}
	}
}

// In steady state nothing is allocated, if the reader gives back what it has read.
func TestNoAllocations(t *testing.T) {
	a, b := newOwn(true), newOwn(true)
	now := second
	msg := numbered(0, 0, 8192)
	var out [HeaderLen + testPayload]byte
	exchange := func() {
		for range 10 {
			a.Send(msg, 0)
			for a.Ready(now) {
				n, _ := a.Next(now, out[:])
				now++
				b.Input(now, out[:n])
			}
			data, _, _ := b.Recv()
			Recycle(data)
			a.Input(now, b.AppendControl(out[:0], len(out)))
		}
	}
	for range 10 {
		exchange()
	}
	if n := testing.AllocsPerRun(100, exchange); n > 0.5 && !underRace {
		t.Errorf("%v allocations for 10 messages", n)
	}
}

// Recycled bytes come back for messages that they hold, and never for others.
func TestRecycle(t *testing.T) {
	for _, size := range []int{1, 1279, 1280, 5000, 8 << 10, 64 << 10, 100 << 10} {
		Recycle(make([]byte, size))
		for _, need := range []int{1, size - 1, size, size + 1, 2 * size} {
			if b := newPart(need); len(b) != 0 || cap(b) < need {
				t.Errorf("%d bytes of %d for %d", len(b), cap(b), need)
			}
		}
	}
}
