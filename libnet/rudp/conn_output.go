// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"github.com/xtaci/kcp-go/v5"

	"p2plive/libnet/udp"
)

// packer gathers a session's frames into datagrams, and datagrams into batches. Guarded by Conn.mu, also
// while a batch is written: datagrams that overtake one another look like losses to the peer's KCP.
type packer struct {
	current []byte        // datagram being filled: room for the header, then frames
	data    bool          // current holds data segments
	batch   []udp.Message // sealed
}

func (e *Endpoint) newDatagram() []byte {
	return e.buffers.Get().(*[MaxDatagram]byte)[:dataHeaderLen]
}

func (e *Endpoint) freeDatagram(b []byte) {
	e.buffers.Put((*[MaxDatagram]byte)(b[:MaxDatagram]))
}

// reserve gives n bytes of the current datagram for a frame; n is at most maxFrames.
func (p *packer) reserve(c *Conn, n int) []byte {
	if p.current != nil && len(p.current)+n > dataHeaderLen+maxFrames {
		p.closeCurrent(c)
	}
	if p.current == nil {
		p.current = c.ep.newDatagram()
	}
	at := len(p.current)
	p.current = p.current[:at+n]
	return p.current[at:]
}

// addSegments takes what a core wants to send; data tells whether there are data segments in it. Full
// segments that do not fit behind waiting acknowledgements go first, so that those of several channels
// gather in one datagram. Data never overtakes data: the peer's KCP would take that for a loss.
func (p *packer) addSegments(c *Conn, segments []byte, data bool) {
	n := segmentsHeaderLen + len(segments)
	if waiting := len(p.current) - dataHeaderLen; waiting > 0 && !p.data && waiting+n > maxFrames && n > waiting {
		d := c.ep.newDatagram()[:dataHeaderLen+n]
		putSegmentsHeader(d[dataHeaderLen:], len(segments))
		copy(d[dataHeaderLen+segmentsHeaderLen:], segments)
		p.seal(c, d)
		return
	}
	b := p.reserve(c, n)
	putSegmentsHeader(b, len(segments))
	copy(b[segmentsHeaderLen:], segments)
	p.data = p.data || data
}

func (p *packer) closeCurrent(c *Conn) {
	d := p.current
	p.current, p.data = nil, false
	p.seal(c, d)
}

// seal seals a datagram into the batch.
func (p *packer) seal(c *Conn, d []byte) {
	d = c.keys.send.seal(d, c.remote, c.sealed)
	c.sealed++
	c.stats.DatagramsOut++
	c.stats.WireOut += uint64(len(d))
	p.batch = append(p.batch, udp.Message{Buf: d, Addr: c.addr})
	if len(p.batch) >= writeBatch {
		p.write(c.ep)
	}
}

// write hands the batch to the socket. Datagrams that it refuses are lost like others, and repeated by KCP.
func (p *packer) write(e *Endpoint) {
	if len(p.batch) == 0 {
		return
	}
	e.write(p.batch)
	p.free(e)
}

func (p *packer) free(e *Endpoint) {
	for i := range p.batch {
		e.freeDatagram(p.batch[i].Buf)
	}
	// An idle session keeps no room for a batch: an endpoint has thousands of them.
	p.batch = nil
}

// drop gives up what has not been written.
func (p *packer) drop(e *Endpoint) {
	if p.current != nil {
		e.freeDatagram(p.current)
		p.current, p.data = nil, false
	}
	p.free(e)
}

// flush writes all that waits. The caller holds c.mu.
func (c *Conn) flush() {
	if c.out.current != nil {
		c.out.closeCurrent(c)
	}
	c.out.write(c.ep)
	if c.sealed >= maxSealed && c.state == stateOpen {
		c.endHere(ErrKeyExhausted, CodeNormal, "session key used up")
	}
}

// writeRaw sends a handshake datagram. A refusal by the socket is a loss: it is sent again.
func (c *Conn) writeRaw(b []byte) {
	c.ep.write([]udp.Message{{Buf: b, Addr: c.addr}})
}

// onOutput is called by a channel's core with whole segments, at most kcpMTU bytes.
func (ch *Channel) onOutput(segments []byte) {
	c, data := ch.conn, false
	for b := segments; len(b) >= kcpHeaderLen; {
		s := parseSegment(b)
		if s.cmd == kcp.IKCP_CMD_PUSH {
			data = true
			again := int32(s.sn-ch.sent) < 0
			if again {
				c.stats.Retransmits++
			} else {
				ch.sent = s.sn + 1
			}
			c.stats.SegmentsOut++
			c.window.onSent(again)
		}
		ch.announced = int(s.window)
		b = b[kcpHeaderLen+int(s.length):]
	}
	c.out.addSegments(c, segments, data)
}
