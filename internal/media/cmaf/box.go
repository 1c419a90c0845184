// SPDX-License-Identifier: GPL-3.0-or-later

package cmaf

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is returned for bytes that are not the CMAF that is expected.
var ErrMalformed = errors.New("malformed CMAF")

// box is one ISO BMFF box (ISO/IEC 14496-12, 4.2).
type box struct {
	kind string
	raw  []byte // header and body
	body []byte
}

// next cuts the first box off b.
func next(b []byte) (first box, rest []byte, err error) {
	if len(b) < 8 {
		return box{}, nil, ErrMalformed
	}
	size, header := uint64(binary.BigEndian.Uint32(b)), 8
	switch size {
	case 0: // to the end
		size = uint64(len(b))
	case 1:
		if len(b) < 16 {
			return box{}, nil, ErrMalformed
		}
		size, header = binary.BigEndian.Uint64(b[8:]), 16
	}
	if size < uint64(header) || size > uint64(len(b)) {
		return box{}, nil, ErrMalformed
	}
	return box{kind: string(b[4:8]), raw: b[:size], body: b[header:size]}, b[size:], nil
}

// each calls f for every box in b, until f returns an error.
func each(b []byte, f func(box) error) error {
	for len(b) > 0 {
		x, rest, err := next(b)
		if err != nil {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// fullBox reads version and flags of a full box and returns what follows.
func fullBox(b []byte) (version uint8, flags uint32, rest []byte, err error) {
	if len(b) < 4 {
		return 0, 0, nil, ErrMalformed
	}
	v := binary.BigEndian.Uint32(b)
	return uint8(v >> 24), v & 0xffffff, b[4:], nil
}

// words reads big-endian numbers and remembers whether they ran out.
type words struct {
	b   []byte
	bad bool
}

func (w *words) u32() uint32 {
	if len(w.b) < 4 {
		w.bad = true
		return 0
	}
	v := binary.BigEndian.Uint32(w.b)
	w.b = w.b[4:]
	return v
}

func (w *words) u64() uint64 {
	high := w.u32()
	return uint64(high)<<32 | uint64(w.u32())
}

// open starts a box; close it with shut.
func open(b []byte, kind string) ([]byte, int) {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	return append(b, kind...), at
}

func shut(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
}
