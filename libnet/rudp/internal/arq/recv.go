// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import "encoding/binary"

// receiver is the state of the receiving half.
type receiver struct {
	next   uint32     // what comes next in order
	top    uint32     // one above the highest that has come; valid when early > 0
	early  int        // segments that have come before their turn
	ring   []*message // those; nil: not come
	frgs   []uint8    // their fragment numbers
	whole  fifo[received]
	held   int // segments that count against the window: in whole and in part
	part   []byte
	parts  int   // segments in part
	expect uint8 // fragment number that continues part
	broken bool  // the rest of the message in part is to be dropped
	gap    int   // messages that the peer has skipped since the last one

	longest int // body that has come, or is expected

	recovery *recovery // nil: the peer sends no parity segments
	found    uint8     // segments found by them, modulo 256

	acks      []ack // that wait, towards a peer without bitmaps; else only the last one
	timeless  bool  // that one is of a segment that was found
	tell      bool  // the window must be told
	hurry     bool  // an acknowledgement that waits must not wait for others
	announced int   // segments that we told the peer we have room for
}

type ack struct{ sn, ts, clock uint32 }

// received is a whole message.
type received struct {
	data     []byte
	segments int
	skipped  int
}

// room is how many segments may come from the next one on.
func (c *Core) room() int { return max(0, c.cfg.RecvWindow-c.in.held) }

// takeData takes a data segment.
func (c *Core) takeData(now Time, h Header, body []byte) {
	r := &c.in
	ahead := int(int32(h.Sn - r.next))
	if ahead >= c.room() {
		return // beyond what it was told to send
	}
	c.noteAck(now, h)
	r.hurry = r.hurry || c.hurries(h)
	if ahead < 0 {
		c.stats.Duplicates++
		return
	}
	if len(body) > c.cfg.MaxMessage {
		c.stats.Violations++
		body = nil
	}
	c.place(h, body)
	if r.recovery != nil {
		c.recover(now)
	}
}

// place takes a segment that has not come before, or only waits for its turn.
func (c *Core) place(h Header, body []byte) {
	r := &c.in
	if r.recovery != nil {
		if r.recovery.quiet++; r.recovery.quiet > maxQuiet {
			r.recovery = nil
		} else {
			r.recovery.credit = min(r.recovery.credit+1, maxEquations)
			r.recovery.note(h.Sn, h.Frg, body)
		}
	}
	if h.Sn != r.next {
		c.keep(h, body)
		return
	}
	c.accept(h.Frg, body)
	for r.early > 0 {
		slot := r.next & uint32(len(r.ring)-1)
		m := r.ring[slot]
		if m == nil {
			break
		}
		r.ring[slot] = nil
		r.early--
		c.accept(r.frgs[slot], m.data)
		m.release()
	}
}

func (c *Core) noteAck(now Time, h Header) {
	r := &c.in
	a := ack{h.Sn, h.Ts, uint32(now)}
	switch {
	case c.cfg.Extended && len(r.acks) > 0:
		r.acks[0], r.timeless = a, false
	case len(r.acks) < maxAcks:
		r.acks = append(r.acks, a)
	}
}

// hurries tells whether a segment must be acknowledged at once: it shows or fills a gap, came twice, or ends a message,
// after which the peer may have nothing more to send. While the peer makes losses good by parity segments, all are: from
// what is not acknowledged it takes what the next one covers, and how much of it the path loses. A thrifty receiver would
// rather have a few repetitions more.
func (c *Core) hurries(h Header) bool {
	r := &c.in
	switch {
	case before(h.Sn, r.next), h.Frg == 0 && c.thrift() < VeryThrifty, r.recovery != nil && c.thrift() < Thrifty:
		return true
	case h.Sn == r.next:
		return r.early > 0
	case r.early == 0:
		return true
	}
	return h.Sn != r.top // r.top goes on where the last one has shown a gap
}

// keep holds a segment that came before its turn.
func (c *Core) keep(h Header, body []byte) {
	r := &c.in
	for int(h.Sn-r.next) >= len(r.ring) {
		c.growRing()
	}
	slot := h.Sn & uint32(len(r.ring)-1)
	if r.ring[slot] != nil {
		c.stats.Duplicates++
		return
	}
	r.ring[slot], r.frgs[slot] = newMessage(body), h.Frg
	if r.early == 0 || !before(h.Sn, r.top) {
		r.top = h.Sn + 1
	}
	r.early++
}

// growRing doubles the ring; the window bounds it.
func (c *Core) growRing() {
	r := &c.in
	n := max(smallRing, 2*len(r.ring))
	ring, frgs := make([]*message, n), make([]uint8, n)
	for i := range len(r.ring) {
		sn := r.next + uint32(i)
		from, to := sn&uint32(len(r.ring)-1), sn&uint32(n-1)
		ring[to], frgs[to] = r.ring[from], r.frgs[from]
	}
	r.ring, r.frgs = ring, frgs
}

// accept takes the next segment in order.
func (c *Core) accept(frg uint8, body []byte) {
	r := &c.in
	r.next++
	if len(body) == 0 {
		c.acceptMarker(frg)
		return
	}
	r.held++
	if r.parts > 0 && frg != r.expect {
		c.stats.Violations++
		r.held -= r.parts
		r.part, r.parts, r.broken = r.part[:0], 0, false
	}
	// What an unfinished message has left behind is used again: it costs a hostile peer no less to send.
	r.longest = max(r.longest, len(body))
	if need := min(c.cfg.MaxMessage, len(body)+int(frg)*r.longest); r.parts == 0 && cap(r.part) < need {
		r.part = newPart(need)
	}
	r.parts++
	if r.broken || len(r.part)+len(body) > c.cfg.MaxMessage {
		if !r.broken {
			c.stats.Violations++
		}
		r.broken = true
	} else {
		r.part = append(r.part, body...)
	}
	r.expect = frg - 1
	if frg > 0 {
		return
	}
	if r.broken {
		r.held -= r.parts
		r.part = r.part[:0]
	} else {
		r.whole.push(received{r.part, r.parts, r.gap})
		r.part, r.gap = nil, 0
	}
	r.parts, r.broken = 0, false
}

// acceptMarker takes a segment without bytes: it counts messages that the peer dropped.
func (c *Core) acceptMarker(count uint8) {
	if !c.cfg.Extended || c.in.parts > 0 {
		c.stats.Violations++
		return
	}
	c.in.gap = min(c.in.gap+int(count), maxGap)
	c.stats.Skipped += uint64(count)
}

// Readable tells whether Recv has a message.
func (c *Core) Readable() bool { return c.in.whole.n > 0 }

// Recv gives the next message, which is the caller's to keep, and how many the peer dropped before it.
func (c *Core) Recv() (data []byte, skipped int, ok bool) {
	r := &c.in
	if r.whole.n == 0 {
		return nil, 0, false
	}
	m := r.whole.pop()
	r.held -= m.segments
	// The peer hears of the room with the next acknowledgement, unless it cannot send what that would answer.
	quarter := c.cfg.RecvWindow / 4
	if r.announced < quarter && c.room() >= quarter {
		r.tell = true
	}
	return m.data, m.skipped, true
}

// Telling tells whether AppendControl has something to write.
func (c *Core) Telling() bool { return len(c.in.acks) > 0 || c.in.tell || c.ask }

// Hurried tells whether that must not wait. Otherwise it is an acknowledgement in the midst of a message, and a later
// one tells the same.
func (c *Core) Hurried() bool { return len(c.in.acks) > 0 && c.in.hurry || c.in.tell || c.ask }

// AppendControl appends acknowledgements and what there is to tell or ask of windows to b, as much as room bytes
// take; the rest waits. HeaderLen and 132 bytes of room are always enough for some of it.
func (c *Core) AppendControl(b []byte, room int) []byte {
	r := &c.in
	end := len(b) + room
	if len(r.acks) > 0 {
		b = c.appendAcks(b, end)
		r.hurry = len(r.acks) > 0
	}
	if (r.tell || c.ask) && len(b)+c.tellHead() <= end {
		cmd := uint8(CmdTell)
		if c.ask {
			cmd = CmdAsk
		}
		h := c.header(cmd)
		b = h.append(b, c.cfg.Extended)
		if cmd == CmdAsk && r.tell && len(b)+c.tellHead() <= end {
			h.Cmd = CmdTell
			b = h.append(b, c.cfg.Extended)
		}
		r.tell, c.ask = false, false
	}
	return b
}

// tellHead is the length of the header of a segment that tells una and window.
func (c *Core) tellHead() int {
	if c.cfg.Extended {
		return ShortLen + tellLen
	}
	return HeaderLen
}

// appendAcks writes the acknowledgements: towards a peer without bitmaps those that una does not cover, and the
// last one for its time stamp.
func (c *Core) appendAcks(b []byte, end int) []byte {
	r := &c.in
	if c.cfg.Extended {
		bits := r.bitmapLen()
		if len(b)+c.tellHead()+clockLen+(bits+7)/8 > end {
			return b
		}
		h := c.header(CmdAck)
		h.Sn, h.Ts = r.acks[0].sn, r.acks[0].ts
		h.Frg = ackParity | r.found&ackRecovered
		if r.timeless {
			h.Frg |= ackTimeless
		}
		h.Len = clockLen + uint32(bits+7)/8
		b = binary.LittleEndian.AppendUint32(h.append(b, true), r.acks[0].clock)
		b = r.appendBitmap(b, bits)
		r.acks, r.tell, r.timeless = r.acks[:0], false, false
		return b
	}
	i := 0
	for ; i < len(r.acks) && len(b)+HeaderLen <= end; i++ {
		a := r.acks[i]
		if i < len(r.acks)-1 && before(a.sn, r.next) {
			continue
		}
		h := c.header(CmdAck)
		h.Sn, h.Ts = a.sn, a.ts
		b = h.append(b, false)
	}
	r.acks = r.acks[:copy(r.acks, r.acks[i:])]
	return b
}

// bitmapLen is the number of bits from the first gap to the newest segment.
func (r *receiver) bitmapLen() int {
	if r.early == 0 {
		return 0
	}
	return min(int(r.top-r.next)-1, 8*maxBitmap)
}

// appendBitmap writes one bit for each segment after the first gap: 1 for those that have come.
func (r *receiver) appendBitmap(b []byte, bits int) []byte {
	mask := uint32(len(r.ring) - 1)
	for i := 0; i < bits; i += 8 {
		var word byte
		for j := range min(8, bits-i) {
			if r.ring[(r.next+1+uint32(i+j))&mask] != nil {
				word |= 1 << j
			}
		}
		b = append(b, word)
	}
	return b
}

// trim frees rings that nothing uses.
func (r *receiver) trim() {
	if r.early == 0 && len(r.ring) > smallRing {
		r.ring, r.frgs = nil, nil
	}
	if r.recovery != nil {
		if !r.recovery.used {
			r.recovery = nil
		} else {
			r.recovery.used = false
		}
	}
	if len(r.acks) == 0 && cap(r.acks) > smallRing {
		r.acks = nil
	}
	r.whole.trim()
}

func (r *receiver) release() {
	for i, m := range r.ring {
		if m != nil {
			m.release()
			r.ring[i] = nil
		}
	}
}
