// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file

import "github.com/Eyevinn/mp4ff/mp4"

// The walks below go through run-length coded sample tables once, in order
// (ISO/IEC 14496-12, 8.6 and 8.7).

// timeWalk walks decode times and composition offsets.
type timeWalk struct {
	stts    *mp4.SttsBox
	ctts    *mp4.CttsBox
	run     int
	left    uint32
	started bool
	dts     int64
	offset  int
	number  uint32
}

func newTimeWalk(stts *mp4.SttsBox, ctts *mp4.CttsBox) *timeWalk {
	return &timeWalk{stts: stts, ctts: ctts}
}

func (w *timeWalk) next() (dts int64, dur uint32, cts int32, ok bool) {
	if !w.started && len(w.stts.SampleCount) > 0 {
		w.started, w.left = true, w.stts.SampleCount[0]
	}
	for w.left == 0 {
		if w.run++; w.run >= len(w.stts.SampleCount) {
			return 0, 0, 0, false
		}
		w.left = w.stts.SampleCount[w.run]
	}
	w.left--
	dts, dur = w.dts, w.stts.SampleTimeDelta[w.run]
	w.dts += int64(dur)
	w.number++
	if w.ctts != nil {
		for w.offset < len(w.ctts.SampleOffset) && w.ctts.EndSampleNr[w.offset+1] < w.number {
			w.offset++
		}
		if w.offset < len(w.ctts.SampleOffset) {
			cts = w.ctts.SampleOffset[w.offset]
		}
	}
	return dts, dur, cts, true
}

// placeWalk walks the chunks that samples lie in.
type placeWalk struct {
	stbl  *mp4.StblBox
	entry int    // of stsc
	chunk int    // counted from 1
	left  uint32 // samples left in the chunk
	place int64
}

func newPlaceWalk(stbl *mp4.StblBox) *placeWalk { return &placeWalk{stbl: stbl} }

func (w *placeWalk) next(size uint32) (offset int64, ok bool) {
	entries := w.stbl.Stsc.Entries
	for w.left == 0 {
		w.chunk++
		for w.entry+1 < len(entries) && int64(entries[w.entry+1].FirstChunk) <= int64(w.chunk) {
			w.entry++
		}
		if w.entry >= len(entries) || !w.open() {
			return 0, false
		}
		w.left = entries[w.entry].SamplesPerChunk
	}
	w.left--
	offset = w.place
	w.place += int64(size)
	return offset, true
}

func (w *placeWalk) open() bool {
	if co := w.stbl.Stco; co != nil {
		if w.chunk > len(co.ChunkOffset) {
			return false
		}
		w.place = int64(co.ChunkOffset[w.chunk-1])
		return true
	}
	co := w.stbl.Co64
	if w.chunk > len(co.ChunkOffset) {
		return false
	}
	w.place = int64(co.ChunkOffset[w.chunk-1])
	return w.place >= 0
}

// keyWalk walks the sync samples. Without a table all samples are.
type keyWalk struct {
	stss *mp4.StssBox
	i    int
}

func newKeyWalk(stss *mp4.StssBox) *keyWalk { return &keyWalk{stss: stss} }

func (w *keyWalk) next(number uint32) bool {
	if w.stss == nil {
		return true
	}
	for w.i < len(w.stss.SampleNumber) && w.stss.SampleNumber[w.i] < number {
		w.i++
	}
	return w.i < len(w.stss.SampleNumber) && w.stss.SampleNumber[w.i] == number
}
