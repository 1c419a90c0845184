// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"testing"
	"time"
)

// line is a model of a line with children that use share of what they are
// offered: what does not fit waits, and the rest of it is dropped as too old.
type line struct {
	rate    float64 // bits a second
	waiting float64 // bits
}

func (l *line) send(offered float64, interval time.Duration) load {
	most := offered * 0.5 // what waits for longer is dropped
	want := offered*interval.Seconds() + l.waiting
	sent := min(want, l.rate*interval.Seconds())
	l.waiting = min(want-sent, most)
	n := load{wire: int(sent / 8), media: int(sent / 8 / headers), waiting: int(l.waiting / 8)}
	if n.waiting > 0 {
		n.held = n.wire
	}
	return n
}

// follow lets the children take what the estimate offers, and returns the
// estimate at the end.
func (u *uplink) follow(l *line, used float64, from, until time.Duration) int64 {
	const tree = 600_000
	for now := from; now < until; now += uplinkInterval {
		u.add(now, uplinkInterval, l.send(used*float64(u.capacity()), uplinkInterval), tree)
	}
	return u.capacity()
}

func TestUplinkFindsTheLine(t *testing.T) {
	for _, rate := range []float64{900_000, 3e6, 5e6, 20e6, 100e6} {
		var u uplink
		l := &line{rate: rate}
		if got := float64(u.follow(l, 0.85, 0, 30*time.Second)); got < 0.8*rate || got > 1.35*rate {
			t.Errorf("a line of %.1f Mbit/s is taken for %.1f", rate/1e6, got/1e6)
		}
	}
}

func TestUplinkOfAWeakLine(t *testing.T) {
	var u uplink
	l := &line{rate: 128_000}
	full := 0
	for now := time.Duration(0); now < 10*time.Minute; now += uplinkInterval {
		if u.follow(l, 0.85, now, now+uplinkInterval) > 300_000 {
			full++
		}
	}
	// It is tried once in five minutes, and each time given up within a second.
	if tried := time.Duration(full) * uplinkInterval; tried > 5*time.Second {
		t.Errorf("the line was asked for too much for %v of 10 minutes", tried)
	}
}

func TestUplinkUnused(t *testing.T) {
	var u uplink
	if got := u.follow(&line{rate: 20e6}, 0.2, 0, time.Minute); got > 2*startUplink {
		t.Errorf("%d bit/s are claimed that nobody has tried", got)
	}
}

func TestUplinkLimit(t *testing.T) {
	u := uplink{limit: 1_500_000}
	if got := u.follow(&line{rate: 20e6}, 0.85, 0, time.Minute); got > 1_500_000 {
		t.Errorf("%d bit/s, more than the user allows", got)
	}
}

// One slow receiver is not a slow line.
func TestUplinkOneSlowReceiver(t *testing.T) {
	u := uplink{rate: 10e6}
	for now := time.Duration(0); now < 10*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 100_000, media: 90_000, waiting: 200_000, held: 20_000}, 600_000)
	}
	if u.capacity() < 8e6 {
		t.Errorf("taken for %d bit/s", u.capacity())
	}
}

// Acknowledgements and control leave less for children.
func TestUplinkOfWhatElseIsSent(t *testing.T) {
	u := uplink{rate: 3e6}
	for now := time.Duration(0); now < 10*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 12_500}, 600_000) // 500 kbit/s without media
	}
	if c := u.capacity(); c < 2_400_000 || c > 2_600_000 {
		t.Errorf("%d bit/s are left of 3 Mbit/s", c)
	}
}

// Parity segments give way to children.
func TestUplinkOfParitySegments(t *testing.T) {
	u := uplink{rate: 3e6}
	for now := time.Duration(0); now < 10*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 33_000, media: 25_000, parity: 5_000}, 600_000)
	}
	if c := u.capacity(); c < 2_900_000 {
		t.Errorf("%d bit/s are left of 3 Mbit/s", c)
	}
}
