// SPDX-License-Identifier: GPL-3.0-or-later

package hls

import (
	"bytes"
	"maps"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media/cmaf"
	"p2plive/internal/wire"
)

// part is a row of chunks that is sent as one.
type part struct {
	data        []byte
	duration    time.Duration
	independent bool
}

// segment is a row of parts that starts at a key frame.
type segment struct {
	number        uint64
	start         time.Duration // in the stream's time
	duration      time.Duration // known once it is finished
	wall          int64         // source's clock at its start, Unix milliseconds
	init          uint64        // number of the init segment it needs
	discontinuity bool          // its times do not follow from the one before
	parts         []part
	size          int
}

// rendition is one track as segments. It is a machine without a clock: the
// server guards it and wakes those who wait.
type rendition struct {
	track    *wire.Track
	inits    map[uint64][]byte // those that the segments need, and the newest
	init     uint64            // number of the newest
	segments []*segment        // the last one is open
	pending  part              // of the open segment
	dropped  uint64            // discontinuities among segments that are gone
	longest  time.Duration
	restart  bool // the next fragment starts a new timeline
}

func (r *rendition) open() *segment {
	if len(r.segments) == 0 {
		return nil
	}
	return r.segments[len(r.segments)-1]
}

func (r *rendition) time(f *live.Fragment) time.Duration {
	return cmaf.Time(f.Base, r.track.Timescale)
}

// setTrack follows a catalog: a changed init segment needs a new segment.
func (r *rendition) setTrack(t *wire.Track) {
	r.track = t
	if r.inits == nil {
		r.inits = map[uint64][]byte{0: t.Init}
		return
	}
	if !bytes.Equal(r.inits[r.init], t.Init) {
		r.dropInits()
		r.init++
		r.inits[r.init] = t.Init
	}
}

// dropInits forgets init segments that no segment needs any more.
func (r *rendition) dropInits() {
	used := map[uint64]bool{r.init: true}
	for _, s := range r.segments {
		used[s.init] = true
	}
	maps.DeleteFunc(r.inits, func(n uint64, _ []byte) bool { return !used[n] })
}

// due tells whether a segment must or should end before the fragment.
func (r *rendition) due(f *live.Fragment) bool {
	s := r.open()
	if s == nil || r.restart {
		return true
	}
	length := r.time(f) - s.start
	if f.Key && s.init != r.init {
		return true
	}
	return f.Key && length >= minSegment || length >= maxSegment || s.size+len(r.pending.data) >= maxSegmentBytes
}

// cut ends the open segment and starts number with the fragment.
func (r *rendition) cut(f *live.Fragment, number uint64) {
	at := r.time(f)
	r.flush()
	next := &segment{number: number, start: at, wall: f.Wall, init: r.init}
	if s := r.open(); s != nil {
		s.duration = at - s.start
		if sum := s.sum(); r.restart || s.duration <= 0 || s.duration > sum+minSegment {
			s.duration = sum
			next.discontinuity = true
		}
		next.discontinuity = next.discontinuity || next.init != s.init
		r.longest = max(r.longest, s.duration)
	}
	r.restart = false
	r.segments = append(r.segments, next)
	for len(r.segments) > segments+1 {
		if r.segments[0].discontinuity {
			r.dropped++
		}
		r.segments[0] = nil
		r.segments = r.segments[1:]
	}
}

func (s *segment) sum() (d time.Duration) {
	for i := range s.parts {
		d += s.parts[i].duration
	}
	return d
}

// add appends the fragment to the open segment.
func (r *rendition) add(f *live.Fragment) {
	length := cmaf.Time(uint64(f.Duration), r.track.Timescale)
	if r.pending.data != nil && r.pending.duration+length > partTarget {
		r.flush()
	}
	if r.pending.data == nil {
		r.pending.independent = f.Key || r.track.Kind == wire.Audio
	}
	r.pending.data = append(r.pending.data, f.Data...)
	r.pending.duration += length
	if r.pending.duration+length > partTarget {
		r.flush() // the next one would not fit: no need to wait for it
	}
}

// flush makes the pending chunks a part of the open segment.
func (r *rendition) flush() {
	if s := r.open(); s != nil && r.pending.data != nil {
		s.parts = append(s.parts, r.pending)
		s.size += len(r.pending.data)
	}
	r.pending = part{}
}

// find returns the segment with the number, nil if it is not there.
func (r *rendition) find(number uint64) *segment {
	if len(r.segments) == 0 || number < r.segments[0].number {
		return nil
	}
	i := number - r.segments[0].number
	if i >= uint64(len(r.segments)) {
		return nil
	}
	return r.segments[i]
}

// has tells whether the part is there; a part of -1 stands for the whole
// segment.
func (r *rendition) has(number uint64, index int) bool {
	s := r.find(number)
	if s == nil {
		// What is gone will not come: nobody shall wait for it.
		return len(r.segments) > 0 && number < r.segments[0].number
	}
	if s != r.open() {
		return true
	}
	return index >= 0 && index < len(s.parts)
}
