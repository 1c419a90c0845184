// SPDX-License-Identifier: GPL-3.0-or-later

// Package mp4file plays MP4 files, plain or fragmented, in real time and in a
// loop. It keeps an index in memory and reads samples when they are due.
package mp4file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"p2plive/internal/media"
	"p2plive/internal/media/nalu"
	"p2plive/internal/wire"
)

// File is an indexed MP4 file.
type File struct {
	name   string
	r      io.ReaderAt
	close  func() error
	tracks []*track

	// The loop is length units of scale long.
	length int64
	scale  uint32
}

// sample is one frame in the file.
type sample struct {
	offset int64
	dts    int64 // track timescale, presentation starts at zero
	size   uint32
	dur    uint32
	cts    int32 // PTS - DTS
	key    bool
}

// track is a track of the file with the index of its samples.
type track struct {
	id         uint32
	format     media.TrackFormat
	syntax     nalu.Syntax // zero if samples have no NAL units
	lengthSize int         // bytes of a NAL unit's length in the file
	samples    []sample
}

// Open indexes the file at path. Errors are one line that names the file.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // names the path already
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file: %w", path, media.ErrNotMedia)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	file, err := New(path, f, info.Size())
	if err != nil {
		f.Close() // it was only read
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

// New indexes size bytes of r. The name is for error messages.
func New(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{name: name, r: r, close: func() error { return nil }}
	if size == 0 {
		return nil, fmt.Errorf("%s: the file is empty: %w", name, media.ErrNotMedia)
	}
	tracks, err := index(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.tracks = tracks
	f.setLength()
	if f.length <= 0 || f.Length() < minLength {
		return nil, fmt.Errorf("%s: it lasts less than %v: %w", name, minLength, media.ErrNotMedia)
	}
	return f, nil
}

// Close closes the file. It must not be running.
func (f *File) Close() error { return f.close() }

// Length returns how long one loop is.
func (f *File) Length() time.Duration { return media.Duration(f.length, f.scale) }

// Formats returns the formats of the tracks.
func (f *File) Formats() []media.TrackFormat {
	formats := make([]media.TrackFormat, len(f.tracks))
	for i, t := range f.tracks {
		formats[i] = t.format
	}
	return formats
}

// setLength makes the loop as long as the picture, in its own timescale and by
// decode times, so that it repeats without a seam. Without a picture, or if
// something else goes on much longer, that decides.
func (f *File) setLength() {
	ref := f.tracks[0]
	for _, t := range f.tracks {
		if t.format.Kind == wire.Video {
			ref = t
			break
		}
	}
	first, end := ref.samples[0].dts, ref.end()
	if ref.format.Kind == wire.Audio {
		first = max(first, 0) // what is before is the encoder's start
	}
	f.length, f.scale = end-first, ref.format.Timescale
	for _, t := range f.tracks {
		if d := media.Duration(t.end(), t.format.Timescale); d > f.Length()+cutAudio {
			f.length, f.scale = t.end(), t.format.Timescale
		}
	}
}

// end returns the decode time at which the track's last sample ends.
func (t *track) end() int64 {
	last := &t.samples[len(t.samples)-1]
	return last.dts + int64(last.dur)
}
