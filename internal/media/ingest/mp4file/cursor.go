// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file

import (
	"math/bits"

	"p2plive/internal/wire"
)

// cursor walks the samples of one track round and round. Its timestamps go on
// over the loop's point.
type cursor struct {
	f    *File
	t    *track
	loop int64
	i    int
	dts  int64 // of the current sample, counted from the first loop's start
}

// newCursor returns a cursor at the first sample of a loop that a decoder can
// start at and whose decode time in the loop is at least from.
func newCursor(f *File, t *track, loop, from int64) *cursor {
	c := &cursor{f: f, t: t, loop: loop}
	for c.i < len(t.samples)-1 && (t.samples[c.i].dts < from || !t.samples[c.i].key) {
		c.i++
	}
	c.dts = c.start(loop) + t.samples[c.i].dts
	return c
}

// start returns where a loop starts, in the track's timescale.
func (c *cursor) start(loop int64) int64 {
	return scale(loop*c.f.length, c.t.format.Timescale, c.f.scale)
}

// scale returns t*to/from for t of any sign, rounded down, without overflow.
func scale(t int64, to, from uint32) int64 {
	if to == from {
		return t
	}
	negative := t < 0
	if negative {
		t = -t
	}
	hi, lo := bits.Mul64(uint64(t), uint64(to))
	q, r := bits.Div64(hi%uint64(from), lo, uint64(from))
	if !negative {
		return int64(q)
	}
	if r > 0 {
		q++
	}
	return -int64(q)
}

// sample returns the current sample as it is in the file.
func (c *cursor) sample() *sample { return &c.t.samples[c.i] }

// duration returns how long the current sample lasts: the last picture stays
// until the next loop starts.
func (c *cursor) duration() uint32 {
	if c.t.format.Kind == wire.Video && c.i == len(c.t.samples)-1 {
		if d := c.start(c.loop+1) + c.t.samples[0].dts - c.dts; d > 0 && d < 1<<31 {
			return uint32(d)
		}
	}
	return c.sample().dur
}

// next moves to the sample after the current one.
func (c *cursor) next() {
	after := c.dts + int64(c.sample().dur)
	c.i++
	if c.t.format.Kind == wire.Video {
		if c.i == len(c.t.samples) {
			c.loop, c.i = c.loop+1, 0
		}
		c.dts = c.start(c.loop) + c.t.samples[c.i].dts
		return
	}
	c.nextAudio(after)
}

// nextAudio keeps sound continuous to the sample. A loop is seldom a whole
// number of audio frames, so a loop's first frame is the one that comes
// nearest, and it is placed where the last one ended: sound and picture are
// never more than half a frame apart, and nothing clicks for a gap.
func (c *cursor) nextAudio(after int64) {
	half := int64(c.t.samples[0].dur) / 2
	end := c.start(c.loop + 1)
	if c.i == len(c.t.samples) || after >= end-half {
		c.loop, c.i = c.loop+1, 0
		// What is before zero is the encoder's start, which the frames at the
		// loop's end take the place of.
		for c.i < len(c.t.samples)-1 && end+c.sample().dts < max(after, end)-half {
			c.i++
		}
	}
	c.dts = c.start(c.loop) + c.sample().dts
	if d := c.dts - after; -half <= d && d <= half {
		c.dts = after
	}
}
