// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/xtaci/kcp-go/v5"
)

// Frames fill the sealed part of a datagram, one after another. No frame at all is valid.
const (
	framePadding  = 0x00 // the rest of the datagram is padding
	frameSegments = 0x01 // length (2 bytes), KCP segments of one channel
	framePing     = 0x02 // 8 bytes that the pong returns
	framePong     = 0x03 // 8 bytes of the ping
	frameClose    = 0x04 // code (2 bytes), length (2 bytes), reason
)

const (
	segmentsHeaderLen = 3
	pingLen           = 9
	closeHeaderLen    = 5
	kcpHeaderLen      = kcp.IKCP_OVERHEAD
)

var errFrame = errors.New("rudp: malformed frame")

// frame is one parsed frame; which fields are set depends on kind. Slices point into the datagram.
type frame struct {
	kind    byte
	channel ChannelID // segments
	body    []byte    // segments: checked KCP segments; close: reason
	token   uint64    // ping, pong
	code    uint16    // close
}

// nextFrame parses the first frame of b and gives what follows it. Callers stop when rest is empty.
func nextFrame(b []byte) (f frame, rest []byte, err error) {
	f.kind = b[0]
	switch f.kind {
	case framePadding:
		return f, nil, nil
	case frameSegments:
		if len(b) < segmentsHeaderLen {
			return f, nil, errFrame
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if b = b[segmentsHeaderLen:]; len(b) < n {
			return f, nil, errFrame
		}
		f.body = b[:n]
		var ok bool
		if f.channel, ok = checkSegments(f.body); !ok {
			return f, nil, errFrame
		}
		return f, b[n:], nil
	case framePing, framePong:
		if len(b) < pingLen {
			return f, nil, errFrame
		}
		f.token = binary.BigEndian.Uint64(b[1:])
		return f, b[pingLen:], nil
	case frameClose:
		if len(b) < closeHeaderLen {
			return f, nil, errFrame
		}
		f.code = binary.BigEndian.Uint16(b[1:])
		n := int(binary.BigEndian.Uint16(b[3:]))
		if b = b[closeHeaderLen:]; n > MaxReason || len(b) < n {
			return f, nil, errFrame
		}
		f.body = b[:n]
		return f, b[n:], nil
	}
	return f, nil, errFrame
}

func putSegmentsHeader(b []byte, length int) {
	b[0] = frameSegments
	binary.BigEndian.PutUint16(b[1:], uint16(length))
}

func appendPing(b []byte, kind byte, token uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, kind), token)
}

func appendClose(b []byte, code uint16, reason string) []byte {
	b = binary.BigEndian.AppendUint16(append(b, frameClose), code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(reason)))
	return append(b, reason...)
}

// cutReason shortens a reason to MaxReason bytes, at the boundary of a character.
func cutReason(reason string) string {
	if len(reason) <= MaxReason {
		return reason
	}
	n := MaxReason
	for n > 0 && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}

// segment is the header of a KCP segment (little-endian, 24 bytes).
type segment struct {
	conv   uint32
	cmd    byte
	frg    byte // segments of the message that follow
	window uint16
	sn     uint32
	una    uint32
	length uint32
}

func parseSegment(b []byte) segment {
	_ = b[kcpHeaderLen-1]
	return segment{
		conv:   binary.LittleEndian.Uint32(b),
		cmd:    b[4],
		frg:    b[5],
		window: binary.LittleEndian.Uint16(b[6:]),
		sn:     binary.LittleEndian.Uint32(b[12:]),
		una:    binary.LittleEndian.Uint32(b[16:]),
		length: binary.LittleEndian.Uint32(b[20:]),
	}
}

// checkSegments tells whether b is one or more whole KCP segments of one conversation that the core can
// take without harm: it trusts lengths to fit its buffers and ints to hold them, and waits for as many
// fragments as it is told.
func checkSegments(b []byte) (ChannelID, bool) {
	var channel uint32
	for first := true; first || len(b) > 0; first = false {
		if len(b) < kcpHeaderLen {
			return 0, false
		}
		s := parseSegment(b)
		b = b[kcpHeaderLen:]
		switch {
		case s.cmd < kcp.IKCP_CMD_PUSH || s.cmd > kcp.IKCP_CMD_WINS,
			s.conv > 0xffff,
			s.frg >= maxFragments,
			!first && s.conv != channel,
			uint64(s.length) > uint64(len(b)),
			s.cmd == kcp.IKCP_CMD_PUSH && s.length == 0,
			s.cmd != kcp.IKCP_CMD_PUSH && s.length != 0:
			return 0, false
		}
		channel = s.conv
		b = b[s.length:]
	}
	return ChannelID(channel), true
}
