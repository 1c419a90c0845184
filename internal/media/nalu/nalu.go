// SPDX-License-Identifier: GPL-3.0-or-later

// Package nalu takes H.264 and H.265 access units apart into NAL units and
// tracks the parameter sets among them. It parses headers, not slices.
package nalu

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is returned for data that is not a row of NAL units.
var ErrMalformed = errors.New("malformed access unit")

// maxUnits bounds the NAL units of an access unit: 8K video with the most
// slices a level allows has 600.
const maxUnits = 1024

// Syntax is the header syntax of NAL units.
type Syntax uint8

// The two syntaxes.
const (
	H264 Syntax = 1 + iota // ITU-T H.264, 7.3.1: one byte
	H265                   // ITU-T H.265, 7.3.1.2: two bytes
)

// Class says what a NAL unit is for, as far as a segmenter cares.
type Class uint8

// Classes of NAL units, of either syntax.
const (
	Other Class = iota // pictures, SEI and the like
	IDR                // of a picture that a decoder can start at
	VPS
	SPS
	PPS
	Delimiter // access unit delimiter, end of sequence, filler: MP4 has no use for them
)

// Classify returns the class of a NAL unit.
func (s Syntax) Classify(unit []byte) Class {
	if len(unit) == 0 {
		return Delimiter
	}
	if s == H265 {
		switch typ := unit[0] >> 1 & 0x3f; {
		case typ >= 16 && typ <= 23: // BLA, IDR and CRA
			return IDR
		case typ == 32:
			return VPS
		case typ == 33:
			return SPS
		case typ == 34:
			return PPS
		case typ >= 35 && typ <= 38:
			return Delimiter
		}
		return Other
	}
	switch unit[0] & 0x1f {
	case 5:
		return IDR
	case 7:
		return SPS
	case 8:
		return PPS
	case 9, 10, 11, 12:
		return Delimiter
	}
	return Other
}

// Find returns the first unit of a class, nil if there is none.
func Find(s Syntax, c Class, units [][]byte) []byte {
	for _, u := range units {
		if s.Classify(u) == c {
			return u
		}
	}
	return nil
}

// Split cuts an access unit whose NAL units have big-endian lengths of
// lengthSize bytes (1, 2 or 4). The units are parts of b.
func Split(b []byte, lengthSize int) ([][]byte, error) {
	var units [][]byte
	for len(b) > 0 {
		if len(b) < lengthSize || len(units) == maxUnits {
			return nil, ErrMalformed
		}
		var n uint64
		for _, c := range b[:lengthSize] {
			n = n<<8 | uint64(c)
		}
		b = b[lengthSize:]
		if n > uint64(len(b)) {
			return nil, ErrMalformed
		}
		if n > 0 {
			units = append(units, b[:n:n])
		}
		b = b[n:]
	}
	return units, nil
}

// Join lays out NAL units with 4-byte lengths.
func Join(units [][]byte) []byte {
	size := 0
	for _, u := range units {
		size += 4 + len(u)
	}
	b := make([]byte, 0, size)
	for _, u := range units {
		b = binary.BigEndian.AppendUint32(b, uint32(len(u)))
		b = append(b, u...)
	}
	return b
}

// Unescape returns a NAL unit without emulation prevention bytes.
func Unescape(unit []byte) []byte {
	out := make([]byte, 0, len(unit))
	zeros := 0
	for _, c := range unit {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if c == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, c)
	}
	return out
}
