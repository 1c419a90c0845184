// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"errors"
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/udp"
)

// flight is the space for one batch of datagrams, one behind the other. It belongs to a session's packer from
// the first frame until the batch is written.
type flight struct {
	space    [batchBytes]byte
	messages [writeBatch]udp.Message
}

// packer gathers a session's frames into datagrams, and datagrams into batches, which are sealed where they
// were written. Guarded by Conn.mu, also while a batch is written, so that datagrams keep their order.
type packer struct {
	*flight
	count int // datagrams sealed
	start int // of the datagram being filled, in space
	end   int // of what it has; start: none is being filled
	room  int // for frames in it
	frame int // start of its last frame if that holds segments of channel id, else 0
	id    ChannelID
	data  bool // it has data segments
}

// open begins a datagram if none is being filled.
func (p *packer) open(c *Conn) {
	if p.filling() {
		return
	}
	if p.flight != nil && len(p.space)-p.start < MaxDatagram {
		p.write(c)
	}
	if p.flight == nil {
		p.flight = c.ep.flights.Get().(*flight)
		p.count, p.start, p.end = 0, 0, 0
	}
	p.end, p.room = p.start+dataHeaderLen, c.size-overhead
	p.frame, p.data = 0, false
}

func (p *packer) filling() bool { return p.flight != nil && p.end > p.start }

// empty tells whether the datagram being filled has no frame yet.
func (p *packer) empty() bool { return p.end == p.start+dataHeaderLen }

// rest is the room for frames in the datagram being filled.
func (p *packer) rest() []byte { return p.space[p.end : p.start+dataHeaderLen+p.room] }

// reserve gives n bytes for a frame that holds no segments; n is at most baseFrames.
func (p *packer) reserve(c *Conn, n int) []byte {
	p.open(c)
	if len(p.rest()) < n {
		p.seal(c, false)
		p.open(c)
	}
	b := p.rest()[:n]
	p.endFrame()
	p.end += n
	return b
}

// segments gives the room for further segments of a channel in the datagram being filled.
func (p *packer) segments(id ChannelID) []byte {
	b := p.rest()
	if p.frame != 0 && p.id == id {
		return b
	}
	if len(b) < segmentsHeaderLen {
		return nil
	}
	return b[segmentsHeaderLen:]
}

// extend takes n bytes of what segments gave.
func (p *packer) extend(id ChannelID, n int) {
	if p.frame == 0 || p.id != id {
		p.endFrame()
		p.frame, p.id = p.end, id
		p.end += segmentsHeaderLen
	}
	p.end += n
}

// endFrame completes a frame of segments.
func (p *packer) endFrame() {
	if p.frame != 0 {
		putSegmentsHeader(p.space[p.frame:], p.id, p.end-p.frame-segmentsHeaderLen)
		p.frame = 0
	}
}

// control writes what a channel has to acknowledge, tell and ask.
func (p *packer) control(c *Conn, ch *Channel) {
	for ch.core.Telling() {
		p.open(c)
		room := p.segments(ch.id)
		n := len(ch.core.AppendControl(room[:0], len(room)))
		if n > 0 {
			p.extend(ch.id, n)
			c.stats.Sent.Acks += uint64(n)
		}
		if ch.core.Telling() {
			p.seal(c, true)
		}
	}
}

// send writes one data segment of a channel and gives its length; zero: it has none.
func (p *packer) send(c *Conn, ch *Channel, now arq.Time) int {
	for {
		p.open(c)
		n, kind := ch.core.Next(now, p.segments(ch.id))
		if kind >= arq.Copy && p.data {
			// A copy of what may be in the same datagram is worth nothing, nor is a parity segment of it.
			p.sealBehind(c, ch.id, n)
			c.stats.count(kind, ch.class, n)
			return n
		}
		if n > 0 {
			p.extend(ch.id, n)
			p.data = true
			c.stats.count(kind, ch.class, n)
			return n
		}
		if p.empty() {
			return p.sendParts(c, ch, now)
		}
		p.seal(c, true)
	}
}

// sealBehind seals the datagram being filled and moves the segment that has just been written behind it to a
// datagram of its own.
func (p *packer) sealBehind(c *Conn, id ChannelID, n int) {
	var segment [maxFrames]byte
	copy(segment[:], p.segments(id)[:n])
	p.seal(c, true)
	p.open(c)
	p.room = max(p.room, segmentsHeaderLen+n) // the path may have shrunk meanwhile
	copy(p.segments(id), segment[:n])
	p.extend(id, n)
	p.data = true
}

// seal completes the datagram being filled. When more follow, one that is nearly full is made full: datagrams
// of one size leave as one send.
func (p *packer) seal(c *Conn, more bool) {
	p.endFrame()
	if rest := p.rest(); more && len(rest) <= maxPadding {
		clear(rest)
		p.end += len(rest)
	}
	d := c.sealNext(p.space[p.start:p.end:len(p.space)])
	p.messages[p.count] = udp.Message{Buf: d, Addr: c.path.Addr}
	p.count++
	p.start += len(d)
	p.end = p.start
	if p.count == writeBatch {
		p.write(c)
	}
}

// sealNext seals a datagram with room for the tag where it is, and counts it.
func (c *Conn) sealNext(b []byte) []byte {
	epoch := c.keys.send.epoch
	d := c.keys.send.seal(b, c.remote, c.sealed)
	c.sealed++
	if c.ep.observed() && c.keys.send.epoch != epoch {
		c.tell(time.Now(), Rekeyed{Sending: true, Epoch: c.keys.send.epoch})
	}
	c.stats.DatagramsOut++
	c.stats.WireOut += uint64(len(d))
	return d
}

// write hands the batch to the socket of the session's path. Datagrams that it refuses are lost like others, and repeated.
func (p *packer) write(c *Conn) {
	if p.flight == nil {
		return
	}
	var err error
	if p.count > 0 {
		err = c.path.Socket.write(p.messages[:p.count])
	}
	p.drop(c.ep)
	if errors.Is(err, udp.ErrTooLong) {
		c.shrink(time.Now())
	}
}

// drop gives back the space, with what has not been written.
func (p *packer) drop(e *Endpoint) {
	if p.flight == nil {
		return
	}
	clear(p.messages[:p.count])
	e.flights.Put(p.flight)
	*p = packer{}
}

// writeOut seals and writes all that was gathered. The caller holds c.mu.
func (c *Conn) writeOut() {
	if c.out.filling() {
		c.out.seal(c, false)
	}
	c.out.write(c)
}

// writeRaw sends a handshake datagram. A refusal by the socket is a loss: it is sent again.
func (c *Conn) writeRaw(b []byte) {
	c.path.Socket.writeOne(b, c.path.Addr)
}
