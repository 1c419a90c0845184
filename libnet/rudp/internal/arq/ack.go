// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"encoding/binary"
	"math/bits"
)

// Feedback is what segments of the peer told about the path, for congestion control.
type Feedback struct {
	RTT Time // of the newest measurement; zero: none
	// OneWay is the way there of the same measurement, by clocks that do not agree: only its changes mean
	// anything.
	OneWay    Time
	HasOneWay bool
	// Acked and Lost are bytes, headers included, newly known to have arrived or to be lost.
	Acked, Lost int
	// Spurious are bytes that were told as lost and have turned out not to be.
	Spurious int
	// Recovered are bytes, roughly, that were lost and made good by parity segments: they are in Acked, not in Lost.
	Recovered int
	Timeout   bool // the loss is a timeout's: there is no answer at all
	// LongAcked and LongLost tell whether segments of more than Config.ShortPayload message bytes are among those in Acked
	// and in Lost.
	LongAcked, LongLost bool
}

// Input takes whole segments. What comes before a malformed one counts. Acknowledgements wait for AppendControl.
func (c *Core) Input(now Time, b []byte) (Feedback, error) {
	var f Feedback
	c.lastTime, c.lastSn = c.rackTime, c.rackSn
	c.redundancy.news = false
	for len(b) > 0 {
		h, body, rest, ok := parse(b, c.cfg.Extended)
		if !ok || !c.cfg.Extended && h.Conv != c.cfg.Conv {
			return f, ErrMalformed
		}
		b = rest
		if h.Cmd == CmdAck && c.cfg.Extended {
			c.takeFlags(h.Frg, &f)
		}
		if h.tells(c.cfg.Extended) {
			if before(c.win.nxt, h.Una) {
				return f, ErrMalformed
			}
			c.takeUna(h, &f)
		}
		switch h.Cmd {
		case CmdAck:
			c.takeAck(now, h, body, &f)
		case CmdPush:
			c.takeData(now, h, body)
		case CmdParity:
			if !c.cfg.Extended || !h.parityFits() {
				return f, ErrMalformed
			}
			c.takeParity(now, h, body)
		case CmdAsk:
			c.in.tell = true
		case CmdTell:
		default:
			return f, ErrMalformed
		}
	}
	if f.Acked > 0 {
		c.progressed(now, &f)
	}
	return f, nil
}

// takeUna takes what has come without a gap, and the room beyond.
func (c *Core) takeUna(h Header, f *Feedback) {
	for before(c.win.una, h.Una) {
		sn := c.win.una
		if s := c.win.at(sn); s.state == acked {
			c.sacked--
		} else {
			c.arrived(sn, s, f)
		}
		c.win.una++
		c.stuck = 0
	}
	// Older datagrams may come late: the edge never moves back.
	if edge := h.Una + uint32(h.Window); before(c.edge, edge) {
		c.edge = edge
		c.askAt = 0
	}
}

// takeAck takes an acknowledgement: one segment with its time stamp, and a bitmap of those after una.
func (c *Core) takeAck(now Time, h Header, bitmap []byte, f *Feedback) {
	sentAt := now - Time(uint32(now)-h.Ts)
	timeless := c.cfg.Extended && h.Frg&ackTimeless != 0
	if rtt := now - sentAt; rtt <= maxRTT && sentAt > 0 && !timeless {
		f.RTT = rtt
		c.rtt.Sample(rtt, now)
		c.takeTime(sentAt, h.Sn, f)
	}
	if c.win.has(h.Sn) {
		c.ackBeyond(h.Sn, f)
	}
	if !c.cfg.Extended || len(bitmap) < clockLen {
		return
	}
	if f.RTT > 0 {
		c.takeOneWay(binary.LittleEndian.Uint32(bitmap)-h.Ts, f)
	}
	bitmap = bitmap[clockLen:]
	if len(bitmap) > maxBitmap {
		return
	}
	for i, word := range bitmap {
		for ; word != 0; word &= word - 1 {
			sn := h.Una + 1 + uint32(8*i+bits.TrailingZeros8(word))
			if c.win.has(sn) {
				c.ackBeyond(sn, f)
			}
		}
	}
}

// takeOneWay takes the difference of the clocks at arrival and departure, which wraps.
func (c *Core) takeOneWay(difference uint32, f *Feedback) {
	if !c.oneWay.known {
		c.oneWay.known, c.oneWay.first = true, difference
	}
	f.OneWay, f.HasOneWay = Time(int32(difference-c.oneWay.first)), true
}

// takeTime notes which transmission has arrived.
func (c *Core) takeTime(sentAt Time, sn uint32, f *Feedback) {
	if !before(sn, c.win.nxt) {
		return
	}
	if c.backoff > 0 && sentAt < c.timedOut {
		c.late = true
	}
	c.noteArrival(sentAt, sn)
	if !c.win.has(sn) {
		return
	}
	s := c.win.at(sn)
	if s.state != acked && s.again && sentAt < s.at && !s.probe {
		// An earlier transmission arrived after all.
		c.stats.Spurious++
		f.Spurious += c.win.head + int(s.size)
		c.reorder.seen, c.reorder.since = true, 0
		c.reorder.wide = min(c.reorder.wide+1, maxReorder)
	}
}

// noteArrival keeps the newest transmission that has arrived: RACK.xmit_ts and RACK.end_seq.
func (c *Core) noteArrival(at Time, sn uint32) {
	if at > c.rackTime || at == c.rackTime && before(c.rackSn, sn) {
		c.rackTime, c.rackSn = at, sn
	}
}

// ackBeyond marks a segment that arrived before one that una waits for.
func (c *Core) ackBeyond(sn uint32, f *Feedback) {
	s := c.win.at(sn)
	if s.state == acked {
		return
	}
	c.arrived(sn, s, f)
	c.sacked++
}

// arrived takes a segment out of its list and frees its bytes.
func (c *Core) arrived(sn uint32, s *segment, f *Feedback) {
	if c.redundancy.news && (s.again || s.state == lost) {
		f.Recovered = max(f.Recovered-c.win.head-int(s.size), 0) // it counts as lost already
	}
	if s.state == lost {
		c.win.remove(&c.lost, sn)
	} else {
		c.win.remove(&c.flight, sn)
	}
	if !s.again {
		if s.at < c.lastTime && before(sn, c.lastSn) && !c.redundancy.news {
			c.reorder.seen = true
		}
		c.noteArrival(s.at, sn)
	}
	s.state = acked
	if s.msg != nil {
		s.msg.release()
		s.msg = nil
	}
	f.Acked += c.win.head + int(s.size)
	f.LongAcked = f.LongAcked || c.long(s)
}

// progressed ends a silence: timeouts start anew, and losses come to light.
func (c *Core) progressed(now Time, f *Feedback) {
	c.progress, c.probed, c.probes = now, false, 0
	if c.backoff > 0 {
		c.backoff, c.credit = 0, 0
		if c.late {
			c.late = false
			f.Spurious += c.lost.bytes
			// The acknowledgements were only late: what the timeout gave up is still on its way.
			for sn, n := c.lost.head, c.lost.n; n > 0; n-- {
				s := c.win.at(sn)
				s.state = flying
				sn = s.next
			}
			c.win.prepend(&c.flight, &c.lost)
		}
	}
	c.detect(now, f)
}

// detect finds losses: segments sent so long before one that has arrived that reordering does not explain it
// (RFC 8985, section 6.2.5).
func (c *Core) detect(now Time, f *Feedback) {
	n := 0
	wait := c.reorderWindow()
	for c.flight.n > 0 {
		sn := c.flight.head
		s := c.win.at(sn)
		if !c.overtaken(sn, s) || now < s.at+c.rtt.latest+wait {
			break
		}
		c.giveUp(sn, s, f)
		n++
	}
	if n > 0 {
		c.reorder.since++
		if c.reorder.since >= reorderPersist {
			c.reorder.since, c.reorder.wide = 0, 1
		}
	}
}

func (c *Core) giveUp(sn uint32, s *segment, f *Feedback) {
	f.Lost += c.win.head + int(s.size)
	f.LongLost = f.LongLost || c.long(s)
	c.win.remove(&c.flight, sn)
	s.state, s.probe = lost, false
	c.win.append(&c.lost, sn)
}

// long tells whether a segment is one that not every path carries.
func (c *Core) long(s *segment) bool {
	return c.cfg.ShortPayload > 0 && int(s.size) > c.cfg.ShortPayload
}

// overtaken tells whether a transmission after this one has arrived.
func (c *Core) overtaken(sn uint32, s *segment) bool {
	return s.at < c.rackTime || s.at == c.rackTime && before(sn, c.rackSn)
}

// reorderWindow is how much later than others a segment may come.
func (c *Core) reorderWindow() Time {
	switch {
	case c.reorder.seen:
	case c.protected(): // the parity segment comes behind what it covers
		return c.rtt.Least() / 8
	case c.sacked >= dupThresh:
		return 0
	}
	return min(c.reorder.wide*c.rtt.Least()/4, c.rtt.smoothed)
}
