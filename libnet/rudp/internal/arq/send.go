// SPDX-License-Identifier: GPL-3.0-or-later

package arq

// Kind tells what a segment from Next is.
type Kind uint8

const (
	None   Kind = iota // nothing to send, or nothing that fits
	First              // sent for the first time
	Again              // a retransmission
	Copy               // a second copy of a retransmission: it must not share a datagram with the first
	Parity             // makes losses good: it must not share a datagram with data segments before it
)

// Send queues a copy of a message of at least one byte and at most 254 times MaxPayload. A message that has a deadline and was not begun by then
// is dropped.
func (c *Core) Send(msg []byte, deadline Time) {
	m := newMessage(msg)
	m.deadline = deadline
	if c.cfg.Numbers != nil {
		m.number = c.cfg.Numbers.Add(1)
	}
	c.deadline = c.deadline || deadline != 0
	c.queue.push(m)
	c.queued += len(msg)
	c.segments += c.full(len(msg))
}

// full is how many full segments n bytes take.
func (c *Core) full(n int) int { return (n + c.payload - 1) / c.payload }

// Expire drops the messages that are past their deadline and not begun, and tells how many.
func (c *Core) Expire(now Time) int {
	if !c.deadline {
		return 0
	}
	kept, dropped := 0, 0
	c.deadline = false
	for i := range c.queue.n {
		m := *c.queue.at(i)
		if m.deadline != 0 && now >= m.deadline && (i > 0 || c.off == 0) {
			c.drop(m)
			dropped++
			continue
		}
		c.deadline = c.deadline || m.deadline != 0
		*c.queue.at(kept) = m
		kept++
	}
	c.queue.cut(kept)
	c.noteSkipped(dropped)
	return dropped
}

// drop gives up a message that was taken out of the queue.
func (c *Core) drop(m *message) {
	c.queued -= len(m.data)
	c.segments -= c.full(len(m.data))
	m.release()
}

func (c *Core) noteSkipped(n int) {
	c.stats.Expired += uint64(n)
	if c.cfg.Extended {
		c.skipped += n
	}
}

// Ready tells whether Next has something to send.
func (c *Core) Ready(now Time) bool {
	if c.backoff > 0 {
		return c.credit > 0 && c.lost.n > 0
	}
	return c.Urgent() || c.lost.n > 0 || c.fresh(now) || c.copyWaits() || c.parityWaits()
}

// Urgent tells whether Next has a tail probe, which may exceed the congestion window (RFC 8985, section 7.3).
func (c *Core) Urgent() bool {
	if c.probes > 0 && c.backoff == 0 {
		if _, ok := c.tail(); ok {
			return true
		}
		c.probes = 0
	}
	return false
}

// copyWaits tells whether a retransmission is to be sent a second time, and forgets those that have arrived.
func (c *Core) copyWaits() bool {
	for c.ncopies > 0 && c.backoff == 0 {
		sn := c.copies[c.ncopies-1]
		if c.win.has(sn) && c.win.at(sn).state == flying {
			return true
		}
		c.ncopies--
	}
	return false
}

// fresh tells whether there is something new to send that the peer has room for.
func (c *Core) fresh(now Time) bool {
	if c.off == 0 && c.deadline {
		c.expireFront(now)
	}
	if c.queue.n == 0 && c.skipped == 0 {
		return false
	}
	if !before(c.win.nxt, c.edge) {
		c.watchWindow(now)
		return false
	}
	return c.win.nxt-c.win.una < maxInFlight
}

func (c *Core) expireFront(now Time) {
	n := 0
	for c.queue.n > 0 {
		m := *c.queue.at(0)
		if m.deadline == 0 || now < m.deadline {
			break
		}
		c.drop(c.queue.pop())
		n++
	}
	c.deadline = c.queue.n > 0
	c.noteSkipped(n)
}

// Next writes the next data segment into b and gives its length. A b that has room for the longest segment since New
// always gets one if Ready is true; a shorter one gets what fits. Retransmissions come first.
func (c *Core) Next(now Time, b []byte) (int, Kind) {
	if len(b) < c.win.head {
		return 0, None
	}
	switch {
	case c.backoff > 0 && c.credit <= 0:
		return 0, None
	case c.Urgent():
		return c.nextProbe(now, b)
	case c.lost.n > 0:
		return c.nextLost(now, b)
	case c.backoff > 0:
		return 0, None
	case c.fresh(now):
		if n := c.begin(now, b); n > 0 {
			return n, First
		}
	case c.copyWaits():
		if n := c.repeat(now, b, c.copies[c.ncopies-1]); n > 0 {
			c.ncopies--
			c.stats.Copies++
			return n, Copy
		}
	case c.parityWaits():
		if n := c.nextParity(b); n > 0 {
			return n, Parity
		}
	}
	return 0, None
}

func (c *Core) nextProbe(now Time, b []byte) (int, Kind) {
	sn, _ := c.tail()
	n := c.repeat(now, b, sn)
	if n == 0 {
		return 0, None
	}
	c.win.at(sn).probe = true
	c.probes--
	return n, Again
}

func (c *Core) nextLost(now Time, b []byte) (int, Kind) {
	sn := c.lost.head
	n := c.repeat(now, b, sn)
	if n == 0 {
		return 0, None
	}
	if c.backoff > 0 {
		c.credit--
	} else if c.cfg.Extended && c.level != Slow && c.queue.n == 0 && c.ncopies < maxCopies && !c.protected() {
		// A second copy costs little while nothing waits, and saves a round trip when the first is lost too.
		c.copies[c.ncopies] = sn
		c.ncopies++
	}
	return n, Again
}

// tail gives the newest segment that a probe may repeat.
func (c *Core) tail() (uint32, bool) {
	for sn, tries := c.win.nxt-1, 0; c.win.has(sn) && tries < 2*tailProbes; sn, tries = sn-1, tries+1 {
		if s := c.win.at(sn); s.state == flying && !s.probe {
			return sn, true
		}
	}
	return 0, false
}

// repeat writes a segment again if it fits.
func (c *Core) repeat(now Time, b []byte, sn uint32) int {
	s := c.win.at(sn)
	n := c.win.head + int(s.size)
	if n > len(b) {
		return 0
	}
	if s.state == lost {
		c.win.remove(&c.lost, sn)
	} else {
		c.win.remove(&c.flight, sn)
	}
	s.again, s.probe = true, false
	c.stats.Again++
	c.transmit(now, b, sn, s)
	if c.redundancy.share > 0 {
		c.spend(Again, n)
	}
	return n
}

// begin writes the next new segment, as much as fits; zero if too little would.
func (c *Core) begin(now Time, b []byte) int {
	if c.skipped > 0 && c.off == 0 {
		sn, s := c.win.add()
		s.frg = uint8(min(c.skipped, maxFragments-1))
		c.skipped -= int(s.frg)
		c.transmit(now, b, sn, s)
		return c.win.head
	}
	m := *c.queue.at(0)
	size, frags := c.cut(len(m.data)-c.off, len(b)-c.win.head)
	if size == 0 {
		return 0
	}
	sn, s := c.win.add()
	s.msg, s.off, s.size, s.frg = m, int32(c.off), int16(size), uint8(frags)
	if c.off == 0 {
		c.segments -= c.full(len(m.data))
		c.segments += frags
		c.fragMax = c.payload
	} else {
		c.segments--
	}
	c.off, c.fragsLf = c.off+size, frags-1
	c.queued -= size
	if c.off == len(m.data) {
		c.queue.pop() // its reference is the segment's now
		c.off = 0
	} else {
		m.refs++
	}
	c.transmit(now, b, sn, s)
	if c.redundancy.share > 0 {
		c.spend(First, c.win.head+size)
	}
	return c.win.head + size
}

// cut decides the size of the first message's next fragment in the given room, and how many follow it. KCP
// counts fragments down, so their number is fixed with the first one, whose size is free; that fills datagrams.
func (c *Core) cut(rest, room int) (size, frags int) {
	full := c.payload
	if c.off > 0 {
		full = c.fragMax
	}
	room = min(room, full)
	if c.off == 0 {
		if rest <= room {
			return rest, 0
		}
		if room < min(minFragment, full) {
			return 0, 0
		}
		return room, (rest - room + full - 1) / full
	}
	frags = c.fragsLf
	least := max(1, rest-frags*full) // so that the others can hold what remains
	size = min(room, rest-frags)     // and none is empty
	if size < max(least, min(minFragment, rest-frags)) {
		return 0, 0
	}
	return size, frags
}

// transmit writes the segment, whose record is complete, and puts it in flight.
func (c *Core) transmit(now Time, b []byte, sn uint32, s *segment) {
	s.at, s.state = now, flying
	c.win.append(&c.flight, sn)
	h := c.header(CmdPush)
	h.Frg, h.Ts, h.Sn, h.Len = s.frg, uint32(now), sn, uint32(s.size)
	h.append(b[:0], c.cfg.Extended)
	if s.msg != nil {
		copy(b[c.win.head:], s.msg.data[s.off:int(s.off)+int(s.size)])
	}
	c.stats.Sent++
}

// header has what segments tell: una and the window.
func (c *Core) header(cmd uint8) Header {
	h := Header{Conv: c.cfg.Conv, Cmd: cmd, Window: uint16(c.room()), Una: c.in.next}
	if h.tells(c.cfg.Extended) {
		c.in.announced = int(h.Window)
	}
	return h
}
