// SPDX-License-Identifier: GPL-3.0-or-later

package segment

import (
	"time"

	"p2plive/internal/media"
)

// timeline is the output's clock, which all tracks share: the time since the
// epoch, plus lead. Inputs count from wherever they like; a shift brings them
// there. Tracks with the same shift keep their distance.
type timeline struct {
	since func() time.Duration // since the epoch, by the wall clock
	shift time.Duration        // the newest one
	set   bool
	head  time.Duration // the latest time that a sample was placed at
}

// fits reports whether the newest shift brings the input time in to within
// apart of where the other tracks are.
func (l *timeline) fits(in, apart time.Duration) bool {
	at := in + l.shift - l.head
	return l.set && -apart <= at && at <= apart
}

// restart makes the input time in the present, and not before anything that
// has been placed.
func (l *timeline) restart(in time.Duration) {
	l.set = true
	l.shift = max(l.since()+lead, l.head) - in
}

// clock maps the decode times of one track onto the timeline.
type clock struct {
	line      *timeline
	timescale uint32
	placed    bool
	in        int64  // last decode time of the input
	out       int64  // last decode time on the timeline
	step      uint32 // what the last sample promised to last
	shift     int64
	off       int // frames in a row that came more than a fraction off
}

// place returns where a sample with decode time dts goes. Times that jump are
// rebased, times that do not rise are raised. With a frame length (audio),
// times that are a fraction of a frame off follow the last one exactly: they
// were rounded on the way, and sound must not be cut for that. Up to two frames
// are forgiven for a moment, because some encoders' times waver.
func (c *clock) place(dts int64, frame uint32) (out int64, continuous bool) {
	expected := c.in + int64(c.step)
	if d := media.Duration(dts-expected, c.timescale); !c.placed || d > maxJump || d < -maxJump {
		c.rebase(media.Duration(dts, c.timescale))
		frame = 0
	}
	out = dts + c.shift
	next := c.out + int64(c.step)
	switch off := out - next; {
	case frame > 0 && abs(off) <= int64(frame)*3/4:
		out, continuous, c.off = next, true, 0
	case frame > 0 && abs(off) <= int64(frame)*2 && c.off < maxWaver:
		out, continuous = next, true
		c.off++
	case out <= c.out && c.out > 0:
		out = c.out + 1
	}
	if !continuous {
		c.off = 0
	}
	c.in, c.out = dts, out
	c.line.head = max(c.line.head, media.Duration(out, c.timescale))
	return out, continuous
}

// rebase takes the shift that the other tracks have, if that explains the
// jump, or makes a new one, which the others will find when they jump.
func (c *clock) rebase(in time.Duration) {
	apart := maxApart
	if c.placed {
		apart = maxJump
	}
	back := c.placed && in+c.line.shift <= media.Duration(c.out, c.timescale)
	if back || !c.line.fits(in, apart) {
		c.line.restart(in)
	}
	c.shift = media.Ticks(c.line.shift, c.timescale)
	c.placed = true
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}
