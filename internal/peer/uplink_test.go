// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"math"
	"testing"
	"time"

	"p2plive/internal/swarm"
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
	n := load{wire: int(sent / 8), pieces: int(sent / 8), arrived: int(sent / 8), waiting: int(l.waiting / 8)}
	if n.waiting > 0 {
		n.held, n.queued = n.wire, n.wire
	}
	return n
}

// follow lets the children take what the estimate offers, and returns the
// estimate at the end.
func (u *uplink) follow(l *line, used float64, from, until time.Duration) int64 {
	const tree = 600_000
	u.begin(6 * tree)
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
	if got := u.follow(&line{rate: 20e6}, 0.2, 0, time.Minute); got > startCopies*6*600_000 {
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
		u.add(now, uplinkInterval, load{wire: 100_000, pieces: 100_000, arrived: 100_000, waiting: 200_000, held: 20_000, queued: 20_000}, 600_000)
	}
	if u.capacity() < 8e6 {
		t.Errorf("taken for %d bit/s", u.capacity())
	}
}

// Nor is one that is slow because its acknowledgements come late: nothing waits on the way to it.
func TestUplinkLateAcknowledgements(t *testing.T) {
	u := uplink{rate: 1e6, known: true, proved: 1e6}
	for now := time.Duration(0); now < 10*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 5_000, pieces: 5_000, arrived: 5_000, waiting: 60_000, held: 5_000}, 600_000)
	}
	if u.capacity() < 850_000 {
		t.Errorf("taken for %d bit/s", u.capacity())
	}
}

// What a full queue drops was sent, but the line has not carried it.
func TestUplinkThatOverflows(t *testing.T) {
	u := uplink{rate: 4e6}
	for now := time.Duration(0); now < 2*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 40_000, pieces: 40_000, arrived: 25_000, waiting: 60_000, held: 40_000, queued: 40_000}, 600_000)
	}
	if c := u.capacity(); c < 900_000 || c > 1_000_000 {
		t.Errorf("a line of 1 Mbit/s is taken for %d", c)
	}
}

// A line that is known does not become much slower in a second, but it may in several.
func TestUplinkBecomesSlower(t *testing.T) {
	u := uplink{rate: 5e6, known: true, proved: 5e6}
	l := load{wire: 50_000, pieces: 50_000, arrived: 50_000, waiting: 100_000, held: 50_000, queued: 50_000} // 2 Mbit/s
	for now := time.Duration(0); now < 6*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, l, 600_000)
		if now < time.Second && u.rate < slowerLine*5e6 {
			t.Errorf("%.0f bit/s after %v", u.rate, now)
		}
	}
	if u.rate > 2.1e6 {
		t.Errorf("%.0f bit/s after 6 s", u.rate)
	}
}

// growth has children take what is there for whole ones for a time, and counts how often one more is tried.
func (u *uplink) growth(l *line, tree float64, from, until time.Duration) (tries int) {
	for now := from; now < until; now += uplinkInterval {
		was := u.rate
		children := math.Floor(swarm.ChildShare * float64(u.capacity()) / 100 / tree) // as the machine does
		u.add(now, uplinkInterval, l.send(pieceCost*tree*children, uplinkInterval), int64(tree))
		if u.rate > was {
			tries++
		}
	}
	return tries
}

// A line that was taken for too little is found, though children take no more of it than nine tenths.
func TestUplinkThatIsNearlyUsed(t *testing.T) {
	for _, rate := range []float64{5e6, 20e6} {
		u := uplink{rate: 0.6 * rate, known: true, proved: 0.5 * rate, filled: -time.Minute}
		u.growth(&line{rate: rate}, 480_000, 0, time.Minute)
		if u.proved < 0.85*rate || u.rate > 1.2*rate {
			t.Errorf("a line of %.0f Mbit/s carries %.1f and is taken for %.1f", rate/1e6, u.proved/1e6, u.rate/1e6)
		}
	}
}

// Where one child more would be much, it is tried once in a minute at most.
func TestUplinkOfOneChild(t *testing.T) {
	u := uplink{rate: 900_000, known: true, proved: 900_000, filled: time.Second, next: 10 * time.Second}
	l := &line{rate: 900_000}
	if n := u.growth(l, 480_000, time.Second, time.Minute); n > 0 {
		t.Errorf("tried %d times within a minute after it was full", n)
	}
	if n := u.growth(l, 480_000, time.Minute, 4*time.Minute); n == 0 {
		t.Error("not tried again")
	}
}

// Sessions that begin find out how fast they may go: no line is known by that.
func TestUplinkOfSessionsThatBegin(t *testing.T) {
	u := uplink{rate: 16e6}
	for now := time.Duration(0); now < time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 250_000, pieces: 250_000, arrived: 250_000, waiting: 500_000, held: 250_000}, 600_000)
	}
	if u.known {
		t.Errorf("taken for %.0f bit/s", u.rate)
	}
}

// Acknowledgements and control leave less for children.
func TestUplinkOfWhatElseIsSent(t *testing.T) {
	u := uplink{rate: 3e6}
	for now := time.Duration(0); now < 10*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 12_500}, 600_000) // 500 kbit/s without pieces
	}
	if c := u.capacity(); c < 2_260_000 || c > 2_460_000 {
		t.Errorf("%d bit/s are left of 3 Mbit/s", c)
	}
}

// Pieces, their repetitions and parity segments are what children take.
func TestUplinkOfPieces(t *testing.T) {
	u := uplink{rate: 3e6}
	for now := time.Duration(0); now < 10*time.Second; now += uplinkInterval {
		u.add(now, uplinkInterval, load{wire: 33_000, pieces: 33_000}, 600_000)
	}
	if c := u.capacity(); c < 2_700_000 {
		t.Errorf("%d bit/s are left of 3 Mbit/s", c)
	}
}

// A stream of 50 kbit/s begins with places that the handshakes of its first children
// do not use up.
func TestUplinkOfAThinStream(t *testing.T) {
	const tree = 25_000
	var u uplink
	u.begin(2 * tree)
	u.add(0, uplinkInterval, load{wire: 2500}, tree)
	if got := u.capacity(); got < 2*tree {
		t.Errorf("%d bit/s are taken to be there for children", got)
	}
}
