// SPDX-License-Identifier: GPL-3.0-or-later

package play

import (
	"bytes"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media"
	"p2plive/internal/media/cmaf"
	"p2plive/internal/wire"
)

// maxEarly bounds the audio that waits for the first key frame: 20 s of it.
const maxEarly = 256

// Rebaser cuts a stream for outputs with a beginning: it chooses one video
// and one audio track, starts both at a key frame at time zero, and keeps
// their relation from there on. Missed fragments leave their hole, so that
// times stay true. When the source starts anew, what it sends follows on.
type Rebaser struct {
	tracks  []*wire.Track
	epoch   wire.Epoch
	started bool
	origin  time.Duration // stream's time at which the output is at offset
	offset  time.Duration
	end     time.Duration // of the output so far
	early   []*live.Fragment
	next    [2]uint64 // per output track, decode time before which nothing may come
}

// Part is a chunk of an output.
type Part struct {
	Index int         // of its track in Rebaser.Tracks
	Track *wire.Track // with its timescale
	Chunk *cmaf.Chunk // times count from the output's start
}

// Start returns when the part starts, from the output's start.
func (p *Part) Start() time.Duration { return cmaf.Time(p.Chunk.Base, p.Track.Timescale) }

// End returns when the part ends, from the output's start.
func (p *Part) End() time.Duration {
	return cmaf.Time(p.Chunk.Base+p.Chunk.Duration(), p.Track.Timescale)
}

// Change says what a new catalog means for an output.
type Change uint8

// Changes, from none to what no output can follow.
const (
	Same     Change = iota
	NewInit         // same tracks and codecs, with new init segments
	NewShape        // other tracks or codecs: the output has to end
)

// SetCatalog chooses the tracks: the first video and the first audio track.
func (r *Rebaser) SetCatalog(c *wire.Catalog) Change {
	var tracks []*wire.Track
	for _, kind := range []wire.TrackKind{wire.Video, wire.Audio} {
		for i := range c.Tracks {
			if c.Tracks[i].Kind == kind {
				tracks = append(tracks, &c.Tracks[i])
				break
			}
		}
	}
	old := r.tracks
	r.tracks = tracks
	if c.Epoch != r.epoch {
		r.epoch, r.started, r.early = c.Epoch, false, nil
		r.offset = r.end
	}
	if old == nil {
		return Same
	}
	if len(old) != len(tracks) {
		return NewShape
	}
	change := Same
	for i, t := range tracks {
		o := old[i]
		switch {
		case t.Kind != o.Kind || t.Timescale != o.Timescale || family(t.Codec) != family(o.Codec):
			return NewShape
		case !bytes.Equal(t.Init, o.Init):
			change = NewInit
		}
	}
	return change
}

// family is the part of a codec's name without profile and level.
func family(codec string) string { return codec[:min(4, len(codec))] }

// Tracks returns the chosen tracks, video first.
func (r *Rebaser) Tracks() []*wire.Track { return r.tracks }

// Add returns what the fragment adds to the output: nothing before the first
// key frame, then that with the audio that belongs to it.
func (r *Rebaser) Add(f *live.Fragment) []Part {
	index := r.index(f.Track)
	if index < 0 || f.Epoch != r.epoch {
		return nil
	}
	if r.started {
		return r.part(nil, index, f)
	}
	if index != 0 {
		if len(r.early) < maxEarly {
			r.early = append(r.early, f)
		}
		return nil
	}
	if r.tracks[0].Kind == wire.Video && !f.Key {
		return nil
	}
	r.started = true
	r.origin = cmaf.Time(f.Base, r.tracks[0].Timescale)
	parts := r.part(nil, index, f)
	for _, e := range r.early {
		parts = r.part(parts, r.index(e.Track), e)
	}
	r.early = nil
	return parts
}

func (r *Rebaser) index(id wire.TrackID) int {
	for i, t := range r.tracks {
		if t.ID == id {
			return i
		}
	}
	return -1
}

func (r *Rebaser) part(parts []Part, index int, f *live.Fragment) []Part {
	c, err := cmaf.Parse(f.Data)
	if err != nil {
		return parts // signed by the source, yet not CMAF: as good as missed
	}
	t := r.tracks[index]
	// Each track is moved by a whole number of its own units, so that no
	// rounding wanders.
	base := int64(c.Base) - media.Ticks(r.origin-r.offset, t.Timescale)
	least := int64(r.next[index])
	if offset := media.Ticks(r.offset, t.Timescale); least < offset {
		least = offset
	}
	for len(c.Samples) > 0 && base < least {
		base += int64(c.Samples[0].Duration)
		c.Samples = c.Samples[1:]
	}
	if len(c.Samples) == 0 {
		return parts
	}
	c.Base, c.Track = uint64(base), uint32(index+1)
	last := c.Samples[len(c.Samples)-1]
	r.next[index] = c.Base + c.Duration() - uint64(last.Duration) + 1
	p := Part{Index: index, Track: t, Chunk: c}
	r.end = max(r.end, p.End())
	return append(parts, p)
}
