// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import "time"

// Congestion: KCP's own control restarts from one segment at each timeout and forgets what the path can
// do; switched off, it fills any queue. So it is off, and this window bounds what a session has in flight.
// It grows while the path adds little delay and shrinks by how much it adds, in the manner of LEDBAT++
// (draft-irtf-iccrg-ledbat-plus-plus); losses that come without delay shrink it only when they are many.
const (
	// windowStart lets the first messages go without a round trip of probing: three pieces of 16 KiB.
	windowStart = 32
	// windowMin keeps fast retransmission working, which needs segments behind a lost one.
	windowMin = 8
	// windowMax is what the core can scan at each acknowledgement at reasonable cost.
	windowMax = 1024
	// queueTarget is the delay that a session may add on its path.
	queueTarget = 60 * time.Millisecond
	// lossTolerance is the share of retransmissions that random loss and reordering may cause.
	lossTolerance = 0.25
	lossDecrease  = 0.7
	// lossSample is how many segments that share is taken of: with fewer, chance alone exceeds it.
	lossSample = 48
	// roundMin is the least time between two decisions: on short paths several round trips.
	roundMin = 20 * time.Millisecond
	// baseInterval: the base delay is the least of the current interval and the one before, so that a
	// route that has become longer is accepted as such. Shorter intervals take the session's own standing
	// queue for the path's delay.
	baseInterval = 30 * time.Second
)

// window decides once per round trip how many segments may be in flight. It has no clock of its own.
type window struct {
	size    float64
	probing bool // slow start: doubles each round

	srtt       time.Duration
	base, prev time.Duration // least round trip of this and of the last interval
	baseSince  time.Time

	roundSince time.Time
	roundRTT   time.Duration // least of the round
	limited    bool          // the window was what held data back

	sent, lost int // segments since the last look at losses: all, and those sent again
}

func newWindow(now time.Time) window {
	return window{size: windowStart, probing: true, baseSince: now, roundSince: now}
}

// onRTT takes one measured round trip.
func (w *window) onRTT(rtt time.Duration, now time.Time) {
	if w.srtt == 0 {
		w.srtt = rtt
	} else {
		w.srtt += (rtt - w.srtt) / 8
	}
	if now.Sub(w.baseSince) >= baseInterval {
		w.prev, w.base, w.baseSince = w.base, 0, now
	}
	if w.base == 0 || rtt < w.base {
		w.base = rtt
	}
	if w.roundRTT == 0 || rtt < w.roundRTT {
		w.roundRTT = rtt
	}
}

func (w *window) onSent(again bool) {
	w.sent++
	if again {
		w.lost++
	}
}

// minRTT is the least round trip of the last 30 to 60 s, zero before the first.
func (w *window) minRTT() time.Duration {
	if w.base == 0 || (w.prev != 0 && w.prev < w.base) {
		return w.prev
	}
	return w.base
}

// update ends the round if it has lasted a round trip and a measurement fell into it. It tells whether the
// size has changed.
func (w *window) update(inFlight int, now time.Time) bool {
	if float64(inFlight) >= 0.75*w.size {
		w.limited = true
	}
	if w.roundRTT == 0 || now.Sub(w.roundSince) < max(w.srtt, roundMin) {
		return false
	}
	before := int(w.size)
	w.decide(w.roundRTT - w.minRTT())
	w.size = min(max(w.size, windowMin), windowMax)
	w.roundSince, w.roundRTT, w.limited = now, 0, false
	return int(w.size) != before
}

func (w *window) decide(queue time.Duration) {
	over := float64(queue) / float64(queueTarget)
	switch {
	case w.lossy():
		w.probing = false
		w.size *= lossDecrease
	case over > 1:
		w.probing = false
		w.size *= max(0.5, 1-(over-1)/2)
	case !w.limited:
	case w.probing && over < 0.5:
		w.size *= 2
	default:
		w.probing = false
		w.size += (1 + 0.04*w.size) * (1 - over)
	}
}

// lossy looks at the losses once enough has been sent to judge.
func (w *window) lossy() bool {
	if w.sent < lossSample {
		return false
	}
	lossy := float64(w.lost) > lossTolerance*float64(w.sent)
	w.sent, w.lost = 0, 0
	return lossy
}

// segments is the size in whole segments.
func (w *window) segments() int { return int(w.size) }
