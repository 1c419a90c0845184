// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"encoding/binary"
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// A segment keeps its length once it has been sent, for its number stands for it. One that was cut for longer datagrams
// than the path carries by now is repeated in two parts, in a datagram each, which the receiver puts together.

// partHeaderLen: number (4), length (2).
const partHeaderLen = 7

// part is the one part of a frame that has come.
type part struct {
	kind   byte // frameHead or frameTail; zero: none
	number uint32
	body   []byte
}

// parts are the newest of them.
type parts [maxParts]part

// join takes a part. With the second one it gives the whole frame.
func (p *parts) join(f frame) []byte {
	number := uint32(f.token)
	slot := &p[number%maxParts]
	if slot.number != number || slot.kind == 0 || slot.kind == f.kind {
		*slot = part{f.kind, number, bytes.Clone(f.body)}
		return nil
	}
	head, tail := slot.body, f.body
	if f.kind == frameHead {
		head, tail = tail, head
	}
	*slot = part{}
	return append(bytes.Clone(head), tail...)
}

// takePart takes a part of a frame of segments, and the frame when it is whole. The caller holds c.mu.
func (c *Conn) takePart(f frame, now time.Time) {
	if c.parts == nil {
		c.parts = new(parts)
	}
	b := c.parts.join(f)
	if b == nil {
		return
	}
	if len(b) == 0 || b[0] != frameSegments {
		c.ep.counters.malformed.Add(1)
		return
	}
	f, rest, err := nextFrame(b)
	if err != nil || len(rest) > 0 {
		c.ep.counters.malformed.Add(1)
		return
	}
	c.takeSegments(f.channel, f.body, now)
}

// sendParts writes a data segment that is too long for a datagram of the present size, in two of them, and gives its
// length; zero: there is none.
func (p *packer) sendParts(c *Conn, ch *Channel, now arq.Time) int {
	var space [maxFrames]byte
	n, kind := ch.core.Next(now, space[segmentsHeaderLen:])
	if n == 0 {
		return 0
	}
	putSegmentsHeader(space[:], ch.id, n)
	whole := space[:segmentsHeaderLen+n]
	head := min(len(whole), p.room-partHeaderLen)
	for i, b := range [][]byte{whole[:head], whole[head:]} {
		to := p.reserve(c, partHeaderLen+len(b))
		to[0] = frameHead + byte(i)
		binary.BigEndian.PutUint32(to[1:], c.parted)
		binary.BigEndian.PutUint16(to[5:], uint16(len(b)))
		copy(to[partHeaderLen:], b)
	}
	p.data = true
	c.parted++
	c.stats.count(kind, ch.class, n)
	return n
}
