// SPDX-License-Identifier: GPL-3.0-or-later

package cmaf

// Joiner closes the holes that missed chunks leave in one track. A browser's
// media source gives up decoding until the next key frame when decode times
// jump by more than two frames, and stops playing at a hole: so the chunk
// after a hole is made to start where the one before it ended, and its first
// sample to last until its second.
type Joiner struct {
	next      uint64 // decode time at which a next chunk leaves no hole
	started   bool
	reordered bool // samples are shown in another order than decoded
}

// Reset forgets what came before: the next chunk may start anywhere.
func (j *Joiner) Reset() { j.started = false }

// Join returns the next chunk of the track as it is to be played, and whether
// that differs from what it was given. It never changes data.
func (j *Joiner) Join(data []byte, timescale uint32) (joined []byte, changed bool) {
	c, err := Parse(data)
	if err != nil {
		// It is signed by the source: let the player judge it.
		j.started = false
		return data, false
	}
	for i := range c.Samples {
		j.reordered = j.reordered || c.Samples[i].Offset != 0
	}
	end := c.Base + c.Duration()
	expected, started := j.next, j.started
	j.next, j.started = end, true
	if !started || c.Base <= expected {
		return data, false
	}
	gap := c.Base - expected
	first := &c.Samples[0]
	// Guessed durations and clocks of a millisecond leave small holes that
	// players pass over.
	if gap <= uint64(first.Duration)/2 || Time(gap, timescale) > maxJoin {
		return data, false
	}
	c.Base = expected
	first.Duration += uint32(gap)
	if j.reordered {
		// Its neighbours in showing order are not its neighbours here, so it
		// keeps its place on the screen.
		first.Offset += int32(gap)
	}
	return c.Append(nil), true
}
