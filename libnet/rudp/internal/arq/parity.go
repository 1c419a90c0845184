// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import "encoding/binary"

// Parity segments are linear combinations over GF(256) of data segments that are on their way (a sliding window, as in
// RFC 8681; coefficients of a Cauchy matrix instead of random ones). The receiver finds as many lost segments as parity
// segments have come for them, without a round trip. What is combined of a segment is its symbol: frg (1), length of the
// body (2), body, and zeros up to the longest.

// symbolHead is the length of a symbol without the body.
const symbolHead = 3

// What an acknowledgement says in frg, with Config.Extended.
const (
	ackParity    = 0x80 // its sender makes use of parity segments
	ackTimeless  = 0x40 // sn was found by a parity segment: ts means nothing
	ackRecovered = 0x3f // mask: how many segments were found so, modulo 64
)

// coefficient is what a segment is multiplied by in the parity segment of an index. The two sets of points of the Cauchy
// matrix do not meet, since their highest bits differ.
func coefficient(index uint8, sn uint32) byte { return inverse((index | 0x80) ^ byte(sn&0x7f)) }

// redundancy is the sender's side of parity segments.
type redundancy struct {
	peer   bool    // makes use of them
	told   uint8   // of ackRecovered
	news   bool    // the present Input tells of segments that were found
	share  float64 // of the new bytes that parity segments and repetitions may take together; zero: none are sent
	credit float64 // bytes
	fresh  bool    // there is a new segment since the last one
	index  uint8
}

// SetRedundancy says which share of the new bytes may be spent on parity segments and repetitions together. Zero, the
// default, makes no parity segments. They leave when nothing else waits, so that a conversation that always has something
// to send has none. They need Config.Extended, and a peer that has said to make use of them.
func (c *Core) SetRedundancy(share float64) {
	if !c.cfg.Extended {
		return
	}
	r := &c.redundancy
	if share == 0 {
		r.credit = 0
	} else if r.share == 0 {
		r.credit = float64(c.payload) // the first is sent at once: the receiver begins to keep what comes
	}
	r.share = share
}

// protected tells whether a loss may be made good by a parity segment on its way.
func (c *Core) protected() bool { return c.redundancy.share > 0 && c.redundancy.peer }

// spend counts bytes that were sent.
func (c *Core) spend(kind Kind, n int) {
	r := &c.redundancy
	if r.share == 0 {
		return
	}
	if kind == First {
		r.fresh = true
		r.credit += r.share * float64(n)
	} else {
		r.credit -= float64(n)
	}
	most := float64(maxCredit * (c.win.head + c.payload))
	r.credit = min(max(r.credit, -most), most)
}

// parityWaits tells whether a parity segment is to be sent.
func (c *Core) parityWaits() bool {
	r := &c.redundancy
	if r.credit <= 0 || !r.fresh && r.credit < float64(c.win.head+c.payload) || !c.protected() || c.backoff > 0 || c.queue.n > 0 {
		return false
	}
	first, longest := c.covered()
	if first == c.win.nxt {
		return false
	}
	return 2*r.credit >= float64(c.win.head+longest)
}

// covered gives the segments of the next parity segment, from first to the newest: those whose acknowledgement cannot
// have come yet, or whose loss is not known. It also gives the length of the longest.
func (c *Core) covered() (first uint32, longest int) {
	first = c.win.nxt
	for c.win.has(first-1) && c.win.nxt-first < maxCovered {
		s := c.win.at(first - 1)
		if s.state == acked {
			break
		}
		first--
		longest = max(longest, int(s.size))
	}
	return first, longest
}

// nextParity writes a parity segment into b and gives its length; zero: it does not fit.
func (c *Core) nextParity(b []byte) int {
	first, longest := c.covered()
	n := c.win.head + longest
	if n > len(b) {
		return 0
	}
	r := &c.redundancy
	var head [4]byte
	body := b[c.win.head:n]
	clear(body)
	for sn := first; sn != c.win.nxt; sn++ {
		s := c.win.at(sn)
		k := coefficient(r.index, sn)
		addMultiple(head[:symbolHead], []byte{s.frg, byte(s.size), byte(s.size >> 8)}, k)
		if s.msg != nil {
			addMultiple(body, s.msg.data[s.off:int(s.off)+int(s.size)], k)
		}
	}
	head[symbolHead] = r.index
	h := c.header(CmdParity)
	h.Frg, h.Ts, h.Sn, h.Len = uint8(c.win.nxt-first), binary.LittleEndian.Uint32(head[:]), first, uint32(longest)
	h.append(b[:0], c.cfg.Extended)
	r.index = (r.index + 1) & 0x7f
	r.fresh = false
	c.spend(Parity, n)
	c.stats.Parities++
	return n
}

// takeFlags takes what an acknowledgement says of parity segments. Its sender has found what was lost all the same.
func (c *Core) takeFlags(flags uint8, f *Feedback) {
	r := &c.redundancy
	if flags&ackParity == 0 {
		return
	}
	r.peer = true
	n := (flags - r.told) & ackRecovered
	if n == 0 || n > ackRecovered/2 { // nothing new, or an older acknowledgement
		return
	}
	r.told, r.news = flags&ackRecovered, true
	f.Recovered += int(n) * (c.win.head + c.payload)
	c.stats.Recovered += uint64(n)
}
