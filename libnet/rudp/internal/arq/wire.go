// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is the length of a segment's header: conversation (4), command (1), fragment (1), window (2), time
// stamp (4), sequence number (4), una (4), length (4); little-endian.
const HeaderLen = 24

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

// ParseHeader reads a header from the first HeaderLen bytes of b.
func ParseHeader(b []byte) Header {
	_ = b[HeaderLen-1]
	return Header{
		Conv:   binary.LittleEndian.Uint32(b),
		Cmd:    b[4],
		Frg:    b[5],
		Window: binary.LittleEndian.Uint16(b[6:]),
		Ts:     binary.LittleEndian.Uint32(b[8:]),
		Sn:     binary.LittleEndian.Uint32(b[12:]),
		Una:    binary.LittleEndian.Uint32(b[16:]),
		Len:    binary.LittleEndian.Uint32(b[20:]),
	}
}

// put writes the header into the first HeaderLen bytes of b.
func (h *Header) put(b []byte) {
	_ = b[HeaderLen-1]
	binary.LittleEndian.PutUint32(b, h.Conv)
	b[4], b[5] = h.Cmd, h.Frg
	binary.LittleEndian.PutUint16(b[6:], h.Window)
	binary.LittleEndian.PutUint32(b[8:], h.Ts)
	binary.LittleEndian.PutUint32(b[12:], h.Sn)
	binary.LittleEndian.PutUint32(b[16:], h.Una)
	binary.LittleEndian.PutUint32(b[20:], h.Len)
}

// Check tells whether b is one or more whole segments of one conversation, and of which.
func Check(b []byte) (conv uint32, ok bool) {
	for first := true; first || len(b) > 0; first = false {
		if len(b) < HeaderLen {
			return 0, false
		}
		h := ParseHeader(b)
		b = b[HeaderLen:]
		switch {
		case h.Cmd < CmdPush || h.Cmd > CmdParity,
			uint64(h.Len) > uint64(len(b)),
			!first && h.Conv != conv,
			h.Cmd == CmdAck && h.Len > clockLen+maxBitmap,
			(h.Cmd == CmdAsk || h.Cmd == CmdTell) && h.Len != 0,
			h.Cmd == CmdParity && !h.parityFits():
			return 0, false
		}
		conv = h.Conv
		b = b[h.Len:]
	}
	return conv, true
}

// parityFits tells whether a parity segment covers as many segments as one may.
func (h *Header) parityFits() bool { return h.Frg > 0 && h.Frg <= maxCovered }

// before compares sequence numbers, which wrap.
func before(a, b uint32) bool { return int32(a-b) < 0 }
