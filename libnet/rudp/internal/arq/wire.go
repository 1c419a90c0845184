// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is the length of a segment's header as KCP has it: conversation (4), command (1), fragment (1), window (2),
// time stamp (4), sequence number (4), una (4), length (4); little-endian.
const HeaderLen = 24

// ShortLen is the length of the header of data and parity segments with Config.Extended: command (1), fragment (1), length
// (2), time stamp (4), sequence number (4). What carries the segments says of which conversation they are, and only
// acknowledgements, questions and announcements tell una (4) and window (2), at the header's end. KCP's own header is 1.7% of
// a full datagram, and a quarter of one with nothing but an acknowledgement.
const ShortLen = 12

// tellLen is the length of una and window in a short header.
const tellLen = 6

// Commands of a segment.
const (
	CmdPush = 81 // data
	CmdAck  = 82 // acknowledgement
	CmdAsk  = 83 // asks for the window
	CmdTell = 84 // tells the window

	CmdParity = 85 // makes losses good; only with Config.Extended
)

// With Config.Extended, an acknowledgement may have a body: the receiver's clock in microseconds (4) when the segment that
// it names arrived; then a bitmap, in which bit i%8 of byte i/8 says that segment una+1+i has come. A data segment without
// a body stands for Frg messages that were dropped before they were sent. For Frg of acknowledgements see ackParity. A
// parity segment is for Frg segments from Sn on; Ts has the head of the combined symbols (3), and the index (1).

// ErrMalformed is returned for bytes that are no segments of the conversation.
var ErrMalformed = errors.New("arq: malformed segment")

// Header is a parsed segment header.
type Header struct {
	Conv   uint32
	Cmd    uint8
	Frg    uint8  // fragments of the message that follow this one
	Window uint16 // segments that the sender of this one has room for, from Una on
	Ts     uint32 // data: sender's clock; acknowledgement: that of the data
	Sn     uint32
	Una    uint32 // everything before has come
	Len    uint32
}

// tells tells whether una and window are in the header, which is short or KCP's own.
func (h *Header) tells(short bool) bool {
	return !short || h.Cmd == CmdAck || h.Cmd == CmdAsk || h.Cmd == CmdTell
}

// parse takes the first segment of b apart.
func parse(b []byte, short bool) (h Header, body, rest []byte, ok bool) {
	if short {
		return parseShort(b)
	}
	if len(b) < HeaderLen {
		return h, nil, nil, false
	}
	h = Header{
		Conv:   binary.LittleEndian.Uint32(b),
		Cmd:    b[4],
		Frg:    b[5],
		Window: binary.LittleEndian.Uint16(b[6:]),
		Ts:     binary.LittleEndian.Uint32(b[8:]),
		Sn:     binary.LittleEndian.Uint32(b[12:]),
		Una:    binary.LittleEndian.Uint32(b[16:]),
		Len:    binary.LittleEndian.Uint32(b[20:]),
	}
	b = b[HeaderLen:]
	if uint64(h.Len) > uint64(len(b)) {
		return h, nil, nil, false
	}
	return h, b[:h.Len], b[h.Len:], true
}

func parseShort(b []byte) (h Header, body, rest []byte, ok bool) {
	if len(b) < ShortLen {
		return h, nil, nil, false
	}
	h = Header{
		Cmd: b[0],
		Frg: b[1],
		Len: uint32(binary.LittleEndian.Uint16(b[2:])),
		Ts:  binary.LittleEndian.Uint32(b[4:]),
		Sn:  binary.LittleEndian.Uint32(b[8:]),
	}
	b = b[ShortLen:]
	if h.tells(true) {
		if len(b) < tellLen {
			return h, nil, nil, false
		}
		h.Una, h.Window = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:])
		b = b[tellLen:]
	}
	if int(h.Len) > len(b) {
		return h, nil, nil, false
	}
	return h, b[:h.Len], b[h.Len:], true
}

// append writes the header to b.
func (h *Header) append(b []byte, short bool) []byte {
	le := binary.LittleEndian
	if short {
		b = le.AppendUint16(append(b, h.Cmd, h.Frg), uint16(h.Len))
		b = le.AppendUint32(le.AppendUint32(b, h.Ts), h.Sn)
		if h.tells(true) {
			b = le.AppendUint16(le.AppendUint32(b, h.Una), h.Window)
		}
		return b
	}
	b = le.AppendUint16(append(le.AppendUint32(b, h.Conv), h.Cmd, h.Frg), h.Window)
	b = le.AppendUint32(le.AppendUint32(b, h.Ts), h.Sn)
	return le.AppendUint32(le.AppendUint32(b, h.Una), h.Len)
}

// Check tells whether b is one or more whole segments with short headers.
func Check(b []byte) bool {
	for first := true; first || len(b) > 0; first = false {
		h, _, rest, ok := parseShort(b)
		switch {
		case !ok, h.Cmd < CmdPush || h.Cmd > CmdParity,
			h.Cmd == CmdAck && h.Len > clockLen+maxBitmap,
			(h.Cmd == CmdAsk || h.Cmd == CmdTell) && h.Len != 0,
			h.Cmd == CmdParity && !h.parityFits():
			return false
		}
		b = rest
	}
	return true
}

// parityFits tells whether a parity segment covers as many segments as one may.
func (h *Header) parityFits() bool { return h.Frg > 0 && h.Frg <= maxCovered }

// before compares sequence numbers, which wrap.
func before(a, b uint32) bool { return int32(a-b) < 0 }
