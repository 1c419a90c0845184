// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"p2plive/libnet/rudp/internal/arq"
)

// Frames fill the sealed part of a datagram, one after another. No frame at all is valid.
const (
	framePadding   = 0x00 // the rest of the datagram is padding
	frameSegments  = 0x01 // channel (2 bytes), length (2 bytes), segments
	framePing      = 0x02 // 8 bytes that the pong returns
	framePong      = 0x03 // 8 bytes of the ping
	frameClose     = 0x04 // code (2 bytes), length (2 bytes), reason
	frameChallenge = 0x05 // 8 random bytes that the response returns from the same address
	frameResponse  = 0x06 // 8 bytes of the challenge
	frameHead      = 0x07 // number (4 bytes), length (2 bytes), the first part of a frame of segments
	frameTail      = 0x08 // the same, the rest
)

const (
	segmentsHeaderLen = 5
	pingLen           = 9 // also of challenge and response
	closeHeaderLen    = 5
)

var errFrame = errors.New("rudp: malformed frame")

// frame is one parsed frame; which fields are set depends on kind. Slices point into the datagram.
type frame struct {
	kind    byte
	channel ChannelID // segments
	body    []byte    // segments: whole ones; close: reason; head, tail: the part
	token   uint64    // ping, pong, challenge, response; head, tail: number
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
		f.channel = ChannelID(binary.BigEndian.Uint16(b[1:]))
		n := int(binary.BigEndian.Uint16(b[3:]))
		if b = b[segmentsHeaderLen:]; len(b) < n || !arq.Check(b[:n]) {
			return f, nil, errFrame
		}
		f.body = b[:n]
		return f, b[n:], nil
	case framePing, framePong, frameChallenge, frameResponse:
		if len(b) < pingLen {
			return f, nil, errFrame
		}
		f.token = binary.BigEndian.Uint64(b[1:])
		return f, b[pingLen:], nil
	case frameHead, frameTail:
		if len(b) < partHeaderLen {
			return f, nil, errFrame
		}
		f.token = uint64(binary.BigEndian.Uint32(b[1:]))
		n := int(binary.BigEndian.Uint16(b[5:]))
		if b = b[partHeaderLen:]; len(b) < n {
			return f, nil, errFrame
		}
		f.body = b[:n]
		return f, b[n:], nil
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

func putSegmentsHeader(b []byte, id ChannelID, length int) {
	b[0] = frameSegments
	binary.BigEndian.PutUint16(b[1:], uint16(id))
	binary.BigEndian.PutUint16(b[3:], uint16(length))
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
