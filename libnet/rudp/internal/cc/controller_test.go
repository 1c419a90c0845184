// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"testing"
	"time"
)

// drive gives a controller a path of constant delay for a while, with its window always full.
func drive(c *Controller, now, d, rtt time.Duration) time.Duration {
	end := now + d
	for now < end {
		window := c.Window()
		now += rtt
		for acked := 0; acked < window; acked += window/4 + 1 {
			c.OnAck(now, Ack{Bytes: window/4 + 1, RTT: rtt})
			c.OnSent(now, 1232, c.Window())
		}
	}
	return now
}

func TestWindowBounds(t *testing.T) {
	cfg := Home()
	c := New(cfg, 0)
	if c.Window() != cfg.InitialWindow {
		t.Errorf("begins with %d", c.Window())
	}
	now := drive(&c, 0, 20*time.Second, 50*ms)
	if c.Window() > cfg.MaxWindow || c.Window() < cfg.MaxWindow/2 {
		t.Errorf("a path without end has %d", c.Window())
	}
	drive(&c, now, 9*time.Second, 500*ms)
	if c.Window() > 2*cfg.MinWindow || c.Window() < cfg.MinWindow {
		t.Errorf("a path that is always full has %d", c.Window())
	}
	if e := c.Estimates(); e.MinRTT != 50*ms || e.Queue != 450*ms {
		t.Errorf("%+v", e)
	}
	if !c.CanSend(0) || c.CanSend(cfg.MaxWindow) {
		t.Error("CanSend does not follow the window")
	}
}

// A window that the application does not fill does not grow, and what it has not used for long is taken back.
func TestApplicationLimited(t *testing.T) {
	c := New(Home(), 0)
	now := drive(&c, 0, time.Second, 50*ms)
	before := c.Window()
	for range 400 {
		c.OnSent(now, 1232, 2*1232)
		now += 50 * ms
		c.OnAck(now, Ack{Bytes: 1232, RTT: 50 * ms})
	}
	if c.Window() > before || c.Window() < c.cfg.InitialWindow {
		t.Errorf("%d bytes, were %d", c.Window(), before)
	}
}

// After a pause the path is probed again, not flooded.
func TestIdleRestart(t *testing.T) {
	c := New(Home(), 0)
	now := drive(&c, 0, 2*time.Second, 50*ms)
	c.starting = false
	before := c.Window()
	c.OnSent(now+time.Minute, 1232, 1232)
	if c.Window() != c.cfg.InitialWindow {
		t.Errorf("%d bytes after a pause, were %d", c.Window(), before)
	}
	drive(&c, now+time.Minute, time.Second, 50*ms)
	if c.Window() < before {
		t.Errorf("%d bytes a second later, were %d", c.Window(), before)
	}
}

// A loss that was none leaves no trace.
func TestSpuriousLoss(t *testing.T) {
	c := New(Home(), 0)
	now := drive(&c, 0, time.Second, 50*ms)
	c.OnLost(now, 100*1232)
	c.OnSpurious(now, 100*1232)
	c.OnSpurious(now, 100*1232) // more than was lost
	before := c.Window()
	drive(&c, now, 200*ms, 50*ms)
	if c.Window() < before || c.Estimates().Loss > 0.01 {
		t.Errorf("%d bytes, were %d; loss %v", c.Window(), before, c.Estimates().Loss)
	}
}

func TestBaseFilterForgets(t *testing.T) {
	var b baseFilter
	b.add(0, 10*ms)
	for now := time.Second; now < baseIntervals*baseInterval; now += time.Second {
		if d := b.add(now, 30*ms); d != 20*ms {
			t.Fatalf("%v above the base at %v", d, now)
		}
	}
	if d := b.add(baseIntervals*baseInterval, 30*ms); d != 0 {
		t.Errorf("%v above the base after a minute", d)
	}
	if d := b.add(time.Hour, -5*time.Hour); d != 0 {
		t.Errorf("%v above the base after a pause", d)
	}
}

// Nothing that a peer says makes a controller fail: times from nowhere, acknowledgements of nothing.
func FuzzController(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := New(Home(), 0)
		now := time.Duration(0)
		for len(b) >= 4 {
			n := int(b[1]) * 1232
			now += time.Duration(b[2]) * ms
			switch b[0] % 5 {
			case 0, 1:
				c.OnSent(now, n, n)
			case 2:
				c.OnAck(now, Ack{Bytes: n, RTT: time.Duration(int8(b[3])) * ms, OneWay: time.Duration(int8(b[3])) * time.Hour, HasOneWay: b[0] > 99})
			case 3:
				c.OnLost(now, n)
			case 4:
				c.OnSpurious(now, n)
			}
			b = b[4:]
			if w := c.Window(); w < min(c.cfg.MinWindow, c.cfg.InitialWindow) || w > c.cfg.MaxWindow {
				t.Fatalf("window %d", w)
			}
			if r := c.PacingRate(); !(r > 0) {
				t.Fatalf("rate %v", r)
			}
		}
	})
}

func TestControllerAllocatesNothing(t *testing.T) {
	c := New(Server(), 0)
	now := time.Duration(0)
	if n := testing.AllocsPerRun(100, func() {
		now = drive(&c, now, 100*ms, 10*ms)
		c.OnLost(now, 1232)
		c.OnSpurious(now, 1232)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkController(b *testing.B) {
	c := New(Server(), 0)
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += 10 * time.Microsecond
		c.OnSent(now, 1232, c.Window())
		c.OnAck(now, Ack{Bytes: 1232, RTT: 20 * ms, OneWay: time.Hour, HasOneWay: true})
	}
}

// Two packets may be in flight at the least, whatever their size: the acknowledgement of one alone waits for the next.
func TestLeastWindowHoldsTwoPackets(t *testing.T) {
	for _, size := range []int{1232, 1372, 1432, 1452, 1232} {
		c := New(Home(), 0)
		c.SetDatagram(1452)
		c.SetDatagram(size)
		c.window = 0
		c.SetDatagram(size)
		if !c.CanSend(size) || c.CanSend(2*size) {
			t.Errorf("packets of %d bytes: a window of %d", size, c.Window())
		}
	}
}
