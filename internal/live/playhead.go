// SPDX-License-Identifier: GPL-3.0-or-later

package live

import "time"

// Playhead constants: those of the player page.
const (
	// startBuffer is what a player gathers before it starts or starts again.
	startBuffer = 150 * time.Millisecond
	// catchUpAbove is the buffer above which a player plays faster.
	catchUpAbove = 300 * time.Millisecond
	// catchUpRate is the fastest that viewers do not hear.
	catchUpRate = 1.1
)

// Playhead models a live player of one track, so that stalls can be counted
// without a player: it starts with a small buffer, plays at normal speed,
// catches up when far behind, and stalls when it has nothing left.
type Playhead struct {
	started  bool // has played before
	playing  bool
	last     time.Duration // time of the last update
	pos, end time.Duration // media time played, and available
	stalls   int
	stalled  time.Duration
}

// Delivered tells that media up to end (media time) is available at now.
// start is where that piece of media begins: after a gap the player jumps.
func (p *Playhead) Delivered(now, start, end time.Duration) {
	p.Advance(now)
	if !p.started && p.end == 0 {
		p.pos = start
	}
	p.end = max(p.end, end)
	if !p.playing && p.end-p.pos >= startBuffer {
		p.playing, p.started = true, true
	}
}

// Advance plays up to now.
func (p *Playhead) Advance(now time.Duration) {
	elapsed := now - p.last
	p.last = now
	if !p.playing {
		if p.started {
			p.stalled += elapsed
		}
		return
	}
	if p.end-p.pos > catchUpAbove {
		elapsed = time.Duration(float64(elapsed) * catchUpRate)
	}
	if p.pos += elapsed; p.pos > p.end {
		p.stalled += p.pos - p.end
		p.pos = p.end
		p.playing = false
		p.stalls++
	}
}

// Stalls returns how often and how long the player had nothing to play.
func (p *Playhead) Stalls() (int, time.Duration) { return p.stalls, p.stalled }
