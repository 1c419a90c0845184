// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// Parity segments come with losses and go with them, and only where lateness matters and the losses are the path's.
func TestWhenRedundancyIsUsed(t *testing.T) {
	const piece = 8 << 10
	far := simnet.Link{Delay: 12500 * time.Microsecond}
	lossy := far
	lossy.Loss = 0.02
	full := lossy // and slower than what is sent
	full.Rate, full.Queue, full.Overhead = 3e6, 100<<10, 28
	lan := simnet.Link{Delay: time.Millisecond, Loss: 0.02}
	tests := []struct {
		name  string
		link  simnet.Link
		pause time.Duration
		set   func(*Channel)
		used  bool
	}{
		{"loss", lossy, 16 * time.Millisecond, func(*Channel) {}, true},
		{"no loss", far, 16 * time.Millisecond, func(*Channel) {}, false},
		{"fast level", lossy, 16 * time.Millisecond, func(ch *Channel) { ch.SetLevel(Fast) }, true},
		{"slow level", lossy, 16 * time.Millisecond, func(ch *Channel) { ch.SetLevel(Slow) }, false},
		{"rescues", lossy, 16 * time.Millisecond, func(ch *Channel) { ch.SetPriority(Rescue) }, true},
		{"repairs", lossy, 16 * time.Millisecond, func(ch *Channel) { ch.SetPriority(Repair) }, false},
		{"background", lossy, 16 * time.Millisecond, func(ch *Channel) { ch.SetPriority(Background) }, false},
		{"bulk", lossy, 0, func(*Channel) {}, false},
		{"short round trip", lan, 16 * time.Millisecond, func(*Channel) {}, false},
		{"full line", full, 16 * time.Millisecond, func(*Channel) {}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pair(t, tt.link, nil, func(t *testing.T, ca, cb *Conn) {
				ctx := ctxFor(t, time.Minute)
				ch := ca.Channel(1)
				tt.set(ch)
				const count = 400
				go func() {
					for i := range count {
						time.Sleep(tt.pause)
						if ch.Send(ctx, numbered(i, piece)) != nil {
							return
						}
					}
				}()
				if err := recvNumbered(ctx, cb.Channel(1), count, piece); err != nil {
					t.Fatal(err)
				}
				s := ca.Stats()
				share := float64(s.Parities) / float64(s.SegmentsOut)
				t.Logf("%d parity segments for %d, %d found, loss %.3f", s.Parities, s.SegmentsOut, s.Recovered, s.Loss)
				if tt.used && (share < 0.08 || s.Recovered < 50) || !tt.used && share > 0.01 {
					t.Errorf("share %.3f", share)
				}
			})
		})
	}
}

// A line that the stream nearly fills has no room for parity segments: they are tried ever less often. One with room
// for them has use for them.
func TestRedundancyOnATightLine(t *testing.T) {
	for _, tt := range []struct {
		rate        int64
		least, most float64 // parity segments for each data segment
		p95         time.Duration
	}{
		{4.8e6, 0, 0.02, 115 * time.Millisecond}, // 110 ms without any
		{5.2e6, 0.1, 0.2, 50 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.close()
			line := simnet.Link{Delay: 12500 * time.Microsecond, Loss: 0.005, Rate: tt.rate, Queue: int(tt.rate / 40), Overhead: 28}
			late, s := w.stream(line, 1000)
			share, p95 := float64(s.Parities)/float64(s.SegmentsOut), late[len(late)*95/100]
			t.Logf("%.1f Mbit/s: %.3f parity segments for each, p95 %v", float64(tt.rate)/1e6, share, p95)
			if share < tt.least || share > tt.most || p95 > tt.p95 {
				t.Errorf("want %v to %v, and %v", tt.least, tt.most, tt.p95)
			}
		})
	}
}

// When the path loses nothing any more, no parity segments are sent some seconds later, and nothing is kept for them.
func TestRedundancyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		link := simnet.Link{Delay: 12500 * time.Microsecond, Loss: 0.01}
		a, ha := w.endpoint(link, nil)
		b, hb := w.endpoint(link, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		exchange := func(count int) {
			go func() {
				for i := range count {
					time.Sleep(16 * time.Millisecond)
					ca.Channel(1).Send(ctx, numbered(i, 8<<10))
				}
			}()
			if err := recvNumbered(ctx, cb.Channel(1), count, 8<<10); err != nil {
				t.Fatal(err)
			}
		}
		exchange(300)
		if ca.Stats().Parities < 150 {
			t.Fatalf("%+v", ca.Stats())
		}
		link.Loss = 0
		for _, h := range []*simnet.Host{ha, hb} {
			h.SetUp(link)
			h.SetDown(link)
		}
		exchange(700) // 11 s
		before := ca.Stats().Parities
		exchange(100)
		if n := ca.Stats().Parities - before; n != 0 {
			t.Errorf("%d more", n)
		}
	})
}

// Where the line is known to be scarce there are repetitions only, and what was sent is accounted for to the byte.
func TestRedundancyOnAScarceLine(t *testing.T) {
	pair(t, simnet.Link{Delay: 12500 * time.Microsecond, Loss: 0.01}, nil, func(t *testing.T, ca, cb *Conn) {
		ca.ep.SetLine(1 << 20)
		ctx := ctxFor(t, time.Minute)
		go func() {
			for i := range 300 {
				time.Sleep(16 * time.Millisecond)
				ca.Channel(1).Send(ctx, numbered(i, 8<<10))
			}
		}()
		if err := recvNumbered(ctx, cb.Channel(1), 300, 8<<10); err != nil {
			t.Fatal(err)
		}
		s := ca.Stats()
		if s.Parities != 0 || s.Sent.Parity != 0 || s.Sent.Again == 0 {
			t.Errorf("%d parity segments, %d bytes of them, %d bytes repeated", s.Parities, s.Sent.Parity, s.Sent.Again)
		}
		const segments = 300 * 8 << 10
		if n := s.Sent.First[Newest]; n < segments || n > segments*103/100 || s.Sent.Pieces() != n+s.Sent.Again {
			t.Errorf("%d bytes of %d were sent for the first time: %+v", n, segments, s.Sent)
		}
		if rest := s.Sent.Bytes - s.Sent.Pieces() - s.Sent.Acks; rest < 27*s.Sent.Datagrams || rest > s.Sent.Bytes/20 {
			t.Errorf("%d bytes are headers: %+v", rest, s.Sent)
		}
		if s.Arrived < segments || s.Arrived > s.Sent.Pieces() {
			t.Errorf("%d bytes have arrived: %+v", s.Arrived, s.Sent)
		}
		sum := s.Sent
		sum.Add(s.Sent)
		if sum.Subtract(s.Sent); sum != s.Sent {
			t.Errorf("%+v, want %+v", sum, s.Sent)
		}
	})
}

func TestLossMeter(t *testing.T) {
	var m lossMeter
	for range 2000 {
		m.add(98*BaseDatagram, 2*BaseDatagram)
	}
	if m.share < 0.019 || m.share > 0.021 {
		t.Errorf("2%% loss is measured as %.4f", m.share)
	}
	m.add(0, -10*BaseDatagram) // nothing that is real
	m.add(BaseDatagram, 0)
	var early lossMeter
	early.add(0, BaseDatagram)
	if early.share > 0.04 {
		t.Errorf("one loss is taken for %.2f", early.share)
	}
	for _, tt := range []struct{ loss, want float64 }{
		{0.01, lightRedundancy}, {0.05, leastRedundancy}, {0.1, leastRedundancy + 0.16}, {0.5, mostRedundancy},
	} {
		if got := redundancy(tt.loss); got < tt.want-1e-9 || got > tt.want+1e-9 {
			t.Errorf("%.2f for a loss of %.2f, want %.2f", got, tt.loss, tt.want)
		}
	}
}
