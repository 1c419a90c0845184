// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file

import (
	"fmt"
	"math"

	"github.com/Eyevinn/mp4ff/mp4"

	"p2plive/internal/media"
	"p2plive/internal/wire"
)

var errDamaged = fmt.Errorf("damaged index: %w", media.ErrNotMedia)

// indexer collects the samples of all tracks, from the tables of a plain file
// or fragment by fragment.
type indexer struct {
	tracks []*indexTrack
	total  int
}

type indexTrack struct {
	*track
	shift int64 // added to decode times so that presentation starts at zero
	trex  *mp4.TrexBox
	next  int64 // decode time after the last fragment, before the shift
}

func (x *indexer) moov(moov *mp4.MoovBox) error {
	if len(x.tracks) > 0 {
		return nil // a second index describes the same
	}
	for _, trak := range moov.Traks {
		t, err := newTrack(trak)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		if len(x.tracks) == maxTracks {
			return fmt.Errorf("more than %d tracks: %w", maxTracks, media.ErrNotMedia)
		}
		it := &indexTrack{track: t, shift: editShift(trak, moov.Mvhd)}
		if moov.Mvex != nil {
			it.trex, _ = moov.Mvex.GetTrex(t.id)
		}
		if err := x.tables(it, trak.Mdia.Minf.Stbl); err != nil {
			return err
		}
		x.tracks = append(x.tracks, it)
	}
	if len(x.tracks) == 0 {
		return fmt.Errorf("neither video nor audio in it: %w", media.ErrNotMedia)
	}
	return nil
}

// editShift returns what an edit list adds to the track's timestamps: an empty
// edit delays it, the first real one says what is presented at its start.
func editShift(trak *mp4.TrakBox, mvhd *mp4.MvhdBox) int64 {
	if trak.Edts == nil || mvhd == nil || mvhd.Timescale == 0 {
		return 0
	}
	const most = 1 << 40 // keeps the sums below from overflowing
	var delay int64
	for _, elst := range trak.Edts.Elst {
		for _, e := range elst.Entries {
			if e.MediaTime >= 0 {
				if e.MediaTime > most {
					return 0
				}
				return delay - e.MediaTime
			}
			if e.SegmentDuration > most/uint64(mvhd.Timescale) {
				return 0
			}
			delay += int64(e.SegmentDuration) * int64(trak.Mdia.Mdhd.Timescale) / int64(mvhd.Timescale)
		}
	}
	return 0
}

func (x *indexer) add(t *indexTrack, s sample) error {
	if x.total++; x.total > maxSamples {
		return fmt.Errorf("more than %d samples: %w", maxSamples, media.ErrNotMedia)
	}
	most := int64(maxSeconds) * int64(t.format.Timescale)
	if s.offset < 0 || s.size > maxSample || s.dts > most || s.dts < -most {
		return errDamaged
	}
	s.key = s.key || t.format.Kind == wire.Audio
	t.samples = append(t.samples, s)
	return nil
}

// tables reads the sample tables of a plain file.
func (x *indexer) tables(t *indexTrack, stbl *mp4.StblBox) error {
	if stbl.Stsz == nil || stbl.Stsz.GetNrSamples() == 0 {
		return nil
	}
	n := stbl.Stsz.GetNrSamples()
	if int64(n) > maxSamples {
		return fmt.Errorf("more than %d samples: %w", maxSamples, media.ErrNotMedia)
	}
	if stbl.Stts == nil || stbl.Stsc == nil || (stbl.Stco == nil && stbl.Co64 == nil) {
		return errDamaged
	}
	for _, id := range stbl.Stsc.SampleDescriptionID {
		if id != 1 {
			return fmt.Errorf("%w: a track changes its format midway", media.ErrUnsupported)
		}
	}
	times, places := newTimeWalk(stbl.Stts, stbl.Ctts), newPlaceWalk(stbl)
	keys := newKeyWalk(stbl.Stss)
	for i := range n {
		size := stbl.Stsz.GetSampleSize(int(i) + 1)
		offset, ok := places.next(size)
		dts, dur, cts, timed := times.next()
		if !ok || !timed {
			return errDamaged
		}
		s := sample{offset: offset, dts: dts + t.shift, size: size, dur: dur, cts: cts, key: keys.next(i + 1)}
		if err := x.add(t, s); err != nil {
			return err
		}
	}
	return nil
}

// moof reads the index of a fragment that starts at offset start.
func (x *indexer) moof(moof *mp4.MoofBox, start int64) error {
	for _, traf := range moof.Trafs {
		if traf.Tfhd == nil {
			return errDamaged
		}
		for _, t := range x.tracks {
			if t.id == traf.Tfhd.TrackID {
				if err := x.traf(t, traf, start); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (x *indexer) traf(t *indexTrack, traf *mp4.TrafBox, start int64) error {
	const nonSync = 1 << 16
	if traf.Tfhd.HasSampleDescriptionIndex() && traf.Tfhd.SampleDescriptionIndex != 1 {
		return fmt.Errorf("%w: a track changes its format midway", media.ErrUnsupported)
	}
	if traf.Tfdt != nil {
		t.next = int64(traf.Tfdt.BaseMediaDecodeTime())
	}
	if traf.Tfhd.HasBaseDataOffset() {
		start = int64(traf.Tfhd.BaseDataOffset)
	}
	place := start
	for _, trun := range traf.Truns {
		trun.AddSampleDefaultValues(traf.Tfhd, t.trex)
		if trun.HasDataOffset() {
			place = start + int64(trun.DataOffset)
		}
		first, hasFirst := trun.FirstSampleFlags()
		for i, e := range trun.Samples {
			flags := e.Flags
			if i == 0 && hasFirst {
				flags = first
			}
			s := sample{offset: place, dts: t.next + t.shift, size: e.Size, dur: e.Dur,
				cts: e.CompositionTimeOffset, key: flags&nonSync == 0}
			if err := x.add(t, s); err != nil {
				return err
			}
			place += int64(e.Size)
			t.next += int64(e.Dur)
		}
	}
	return nil
}

// finish checks that the samples lie in the file of the given size.
func (x *indexer) finish(size int64) ([]*track, error) {
	if len(x.tracks) == 0 {
		return nil, fmt.Errorf("no index (moov) in it, perhaps its recording did not end: the file is %w", media.ErrTruncated)
	}
	var tracks []*track
	for _, t := range x.tracks {
		if len(t.samples) == 0 {
			continue
		}
		if err := t.fixDurations(); err != nil {
			return nil, err
		}
		var bytes int64
		for i := range t.samples {
			s := &t.samples[i]
			if s.offset > size-int64(s.size) {
				return nil, fmt.Errorf("%w: its index goes on beyond its end at %d bytes", errTruncated, size)
			}
			bytes += int64(s.size)
		}
		if d := media.Duration(t.end()-t.samples[0].dts, t.format.Timescale); d > 0 {
			t.format.Bitrate = uint32(min(float64(bytes)*8/d.Seconds(), math.MaxUint32))
		}
		tracks = append(tracks, t.track)
	}
	if len(tracks) == 0 {
		return nil, fmt.Errorf("not a single frame in it: %w", media.ErrNotMedia)
	}
	return tracks, nil
}

// fixDurations makes durations what decode times say. A writer of fragments
// does not know how long a fragment's last sample is, and one of plain files
// cuts the last frame of sound short.
func (t *track) fixDurations() error {
	info, err := t.format.Info()
	if err != nil {
		return err
	}
	var frame uint32
	if info.FrameSamples > 0 {
		frame = uint32(uint64(info.FrameSamples) * uint64(t.format.Timescale) / uint64(info.SampleRate))
	}
	for i := range t.samples {
		s := &t.samples[i]
		if i+1 < len(t.samples) {
			step := t.samples[i+1].dts - s.dts
			if step < 0 || step > math.MaxInt32 {
				return errDamaged
			}
			s.dur = uint32(step)
		}
		if frame > 0 {
			s.dur = frame
		}
	}
	return nil
}
