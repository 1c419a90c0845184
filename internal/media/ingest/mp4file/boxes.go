// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"p2plive/internal/media"
)

var (
	errNotMP4    = fmt.Errorf("not an MP4 file: %w", media.ErrNotMedia)
	errTruncated = fmt.Errorf("the file is %w", media.ErrTruncated)
)

// index reads the file's boxes and returns the tracks that can be played.
func index(r io.ReaderAt, size int64) ([]*track, error) {
	var x indexer
	err := topBoxes(r, size, func(name string, start, length int64) error {
		switch name {
		case "moov":
			box, err := decodeBox[*mp4.MoovBox](r, start, length, maxMoov)
			if err != nil {
				return err
			}
			return x.moov(box)
		case "moof":
			box, err := decodeBox[*mp4.MoofBox](r, start, length, maxMoof)
			if err != nil {
				return err
			}
			return x.moof(box, start)
		}
		return nil
	})
	// A cut file may still have all of its index, and that says more.
	if err != nil && !(errors.Is(err, media.ErrTruncated) && len(x.tracks) > 0) {
		return nil, err
	}
	return x.finish(size)
}

// topBoxes calls visit for each complete top-level box but media data.
func topBoxes(r io.ReaderAt, size int64, visit func(name string, start, length int64) error) error {
	var head [16]byte
	for start, n := int64(0), 0; start < size; n++ {
		if n == maxBoxes {
			return fmt.Errorf("more than %d boxes: %w", maxBoxes, media.ErrNotMedia)
		}
		got, err := r.ReadAt(head[:min(16, size-start)], start)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if got < 8 {
			if n == 0 {
				return errNotMP4
			}
			return errTruncated
		}
		name, length := string(head[4:8]), int64(binary.BigEndian.Uint32(head[:4]))
		if n == 0 && !firstBox[name] {
			return errNotMP4
		}
		switch {
		case length == 0: // to the end of the file
			length = size - start
		case length == 1 && got == 16:
			length = int64(binary.BigEndian.Uint64(head[8:]))
			if length < 16 {
				return errNotMP4
			}
		case length < 8:
			return errNotMP4
		}
		if length > size-start {
			return errTruncated
		}
		if name != "mdat" {
			if err := visit(name, start, length); err != nil {
				return err
			}
		}
		start += length
	}
	return nil
}

// firstBox holds what an MP4 or QuickTime file may start with.
var firstBox = map[string]bool{
	"ftyp": true, "styp": true, "moov": true, "mdat": true, "free": true,
	"skip": true, "wide": true, "pnot": true, "sidx": true, "emsg": true, "prft": true,
}

// decodeBox reads and decodes one box of at most most bytes.
func decodeBox[B mp4.Box](r io.ReaderAt, start, length, most int64) (box B, err error) {
	if length > most {
		return box, fmt.Errorf("index of %d bytes, want at most %d: %w", length, most, media.ErrNotMedia)
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(r, start, length), b); err != nil {
		return box, err
	}
	if err := checkRuns(b, 0); err != nil {
		return box, err
	}
	defer func() {
		// The decoder is not ours, and a damaged file must not end a source.
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged index: %w", media.ErrNotMedia)
		}
	}()
	any, err := mp4.DecodeBoxSR(uint64(start), bits.NewFixedSliceReader(b))
	if err != nil {
		return box, fmt.Errorf("damaged index: %w: %w", media.ErrNotMedia, err)
	}
	box, ok := any.(B)
	if !ok {
		return box, errNotMP4
	}
	return box, nil
}

// checkRuns refuses boxes that claim more samples than any file has before the
// decoder makes room for them.
func checkRuns(b []byte, depth int) error {
	for len(b) >= 8 {
		length := int64(binary.BigEndian.Uint32(b))
		body := b[8:]
		if length < 8 || length > int64(len(b)) {
			return nil // for the decoder to complain about
		}
		body = body[:length-8]
		switch string(b[4:8]) {
		case "moof", "traf":
			if depth < 2 {
				if err := checkRuns(body, depth+1); err != nil {
					return err
				}
			}
		case "trun":
			if len(body) >= 8 && binary.BigEndian.Uint32(body[4:]) > maxSamples {
				return fmt.Errorf("more than %d samples: %w", maxSamples, media.ErrNotMedia)
			}
		}
		b = b[length:]
	}
	return nil
}
