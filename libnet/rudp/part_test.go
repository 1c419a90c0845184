// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// appendPart is a part of a frame as sendParts writes it.
func appendPart(b []byte, kind byte, number uint32, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, kind), number)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

func TestParts(t *testing.T) {
	type piece struct {
		kind   byte
		number uint32
		body   string
		want   string // the whole frame; empty: not yet
	}
	for _, tt := range []struct {
		name   string
		pieces []piece
	}{
		{"in order", []piece{{frameHead, 0, "ab", ""}, {frameTail, 0, "c", "abc"}}},
		{"the other way round", []piece{{frameTail, 3, "c", ""}, {frameHead, 3, "ab", "abc"}}},
		{"twice", []piece{{frameHead, 1, "ab", ""}, {frameHead, 1, "ab", ""}, {frameTail, 1, "c", "abc"}, {frameTail, 1, "c", ""}}},
		{"mixed", []piece{{frameHead, 1, "ab", ""}, {frameTail, 2, "f", ""}, {frameTail, 1, "c", "abc"}, {frameHead, 2, "de", "def"}}},
		{"one lost", []piece{{frameHead, 1, "ab", ""}, {frameTail, 1 + maxParts, "f", ""}, {frameTail, 1, "c", ""}}},
		{"an empty one", []piece{{frameHead, 1, "", ""}, {frameTail, 1, "c", "c"}}},
		{"numbers that wrap", []piece{{frameHead, 1<<32 - 1, "ab", ""}, {frameHead, 0, "de", ""}, {frameTail, 1<<32 - 1, "c", "abc"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p parts
			for i, piece := range tt.pieces {
				b := appendPart(nil, piece.kind, piece.number, []byte(piece.body))
				f, rest, err := nextFrame(append(b, framePadding))
				if err != nil || len(rest) != 1 {
					t.Fatalf("part %d: %v", i, err)
				}
				if got := p.join(f); string(got) != piece.want {
					t.Errorf("part %d gives %q, want %q", i, got, piece.want)
				}
				clear(b) // the datagram's bytes are not kept
			}
		})
	}
}

// Only segments come in parts; what else is put together so is malformed, and reaches nothing.
func TestPartsOfNonsense(t *testing.T) {
	now := time.Now()
	e, c := still(t, newIdentity(t), now)
	segments := segmentsFrame(7, testSegments(t, []byte("hello")))
	nonsense := [][]byte{
		{}, {frameClose, 0, 0, 0, 0}, appendPing(nil, framePing, 1), segments[:len(segments)-1],
		append(bytes.Clone(segments), segments...), appendPart(nil, frameHead, 1, []byte("x")),
	}
	for i, whole := range append(nonsense, segments) {
		n := len(whole) / 2
		c.mu.Lock()
		c.takeFrames(appendPart(nil, frameHead, uint32(i), whole[:n]), c.path, now)
		c.takeFrames(appendPart(nil, frameTail, uint32(i), whole[n:]), c.path, now)
		c.mu.Unlock()
	}
	if c.err != nil || e.counters.malformed.Load() != uint64(len(nonsense)) || len(c.channels) != 1 {
		t.Errorf("%v, %d malformed, %d channels", c.err, e.counters.malformed.Load(), len(c.channels))
	}
	c.mu.Lock()
	data, _, ok := c.channel(7).take()
	c.mu.Unlock()
	if !ok || string(data) != "hello" {
		t.Errorf("the message in parts is %q", data)
	}
	c.Close("")
}
