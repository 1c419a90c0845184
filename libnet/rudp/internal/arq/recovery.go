// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"encoding/binary"
	"slices"
)

// recovery is the receiver's side of parity segments: a system of linear equations whose unknowns are missing segments.
// There is one only while the peer sends parity segments.
type recovery struct {
	history [historyLen]symbol // the newest segments that have come, by sequence number
	system  []*equation        // each has a first term that no other one has
	quiet   int                // segments that have come since the last parity segment
	used    bool               // there was one since trim looked
	credit  int                // parity segments that are looked at before further segments must come
}

// symbol is what of a segment goes into parity segments.
type symbol struct {
	sn    uint32
	bytes []byte // symbolHead and body; nil: none yet
}

// equation says that the sum of its terms is bytes.
type equation struct {
	terms []term
	bytes []byte
}

type term struct {
	sn uint32
	k  byte // not zero
}

// takeParity takes a parity segment, and the segments that it lets find.
func (c *Core) takeParity(now Time, h Header, body []byte) {
	r := &c.in
	if r.recovery == nil {
		r.recovery = &recovery{credit: maxEquations}
	}
	r.recovery.quiet, r.recovery.used = 0, true
	last := h.Sn + uint32(h.Frg) - 1
	if before(last, r.next) || int(int32(last-r.next)) >= c.room() {
		return // nothing is missing, or it is beyond what the peer was told to send
	}
	if r.recovery.credit == 0 {
		return
	}
	r.recovery.credit--
	index := uint8(h.Ts >> 24)
	e := &equation{bytes: make([]byte, symbolHead, symbolHead+len(body))}
	e.bytes[0], e.bytes[1], e.bytes[2] = byte(h.Ts), byte(h.Ts>>8), byte(h.Ts>>16)
	e.bytes = append(e.bytes, body...)
	for sn := h.Sn; sn != last+1; sn++ {
		k := coefficient(index, sn)
		if !r.come(sn) {
			e.terms = append(e.terms, term{sn, k})
		} else if !e.subtract(r.recovery.symbol(sn), k) {
			return // it is known no more, or this is no sum of what came
		}
	}
	r.recovery.add(e)
	c.recover(now)
}

// come tells whether a segment has come.
func (r *receiver) come(sn uint32) bool {
	ahead := sn - r.next
	return before(sn, r.next) || int(ahead) < len(r.ring) && r.ring[sn&uint32(len(r.ring)-1)] != nil
}

// symbol gives the symbol of a segment that has come; nil: it is known no more.
func (r *recovery) symbol(sn uint32) []byte {
	if s := &r.history[sn%historyLen]; s.sn == sn {
		return s.bytes
	}
	return nil
}

// subtract takes a known symbol out of the equation.
func (e *equation) subtract(symbol []byte, k byte) bool {
	if symbol == nil || len(symbol) > len(e.bytes) {
		return false
	}
	addMultiple(e.bytes, symbol, k)
	return true
}

// without takes k times another equation out of the equation.
func (e *equation) without(other *equation, k byte) {
	for _, t := range other.terms {
		i := slices.IndexFunc(e.terms, func(own term) bool { return own.sn == t.sn })
		switch {
		case i < 0:
			e.terms = append(e.terms, term{t.sn, multiply(k, t.k)})
		case e.terms[i].k == multiply(k, t.k):
			e.terms = slices.Delete(e.terms, i, i+1)
		default:
			e.terms[i].k ^= multiply(k, t.k)
		}
	}
	if n := len(other.bytes) - len(e.bytes); n > 0 {
		e.bytes = append(e.bytes, make([]byte, n)...)
	}
	addMultiple(e.bytes, other.bytes, k)
}

// factor is what a segment is multiplied by in the equation; zero: it is not in it.
func (e *equation) factor(sn uint32) byte {
	for _, t := range e.terms {
		if t.sn == sn {
			return t.k
		}
	}
	return 0
}

// add takes a further equation into the system.
func (r *recovery) add(e *equation) {
	for _, other := range r.system {
		first := other.terms[0]
		if k := e.factor(first.sn); k != 0 {
			e.without(other, multiply(k, inverse(first.k)))
		}
	}
	if len(e.terms) == 0 {
		return // it says nothing new
	}
	first := e.terms[0]
	for _, other := range r.system {
		if k := other.factor(first.sn); k != 0 {
			other.without(e, multiply(k, inverse(first.k)))
		}
	}
	if len(r.system) >= maxEquations {
		r.system = slices.Delete(r.system, 0, 1)
	}
	r.system = append(r.system, e)
}

// note takes a segment that has come into account.
func (r *recovery) note(sn uint32, frg uint8, body []byte) {
	s := &r.history[sn%historyLen]
	if s.bytes != nil && before(sn, s.sn) {
		s = &symbol{} // so late that a newer one has its place
	}
	s.sn = sn
	s.bytes = append(binary.LittleEndian.AppendUint16(append(s.bytes[:0], frg), uint16(len(body))), body...)
	var rest *equation // the one that this was the first term of
	r.system = slices.DeleteFunc(r.system, func(e *equation) bool {
		i := slices.IndexFunc(e.terms, func(t term) bool { return t.sn == sn })
		if i < 0 {
			return false
		}
		k := e.terms[i].k
		e.terms = slices.Delete(e.terms, i, i+1)
		if !e.subtract(s.bytes, k) {
			return true
		}
		if i == 0 {
			rest = e
		}
		return i == 0
	})
	if rest != nil {
		r.add(rest)
	}
}

// recover takes the segments that the equations give, as if they had come.
func (c *Core) recover(now Time) {
	r := &c.in
	for r.recovery != nil { // place may give it up
		i := slices.IndexFunc(r.recovery.system, func(e *equation) bool { return len(e.terms) == 1 })
		if i < 0 {
			return
		}
		e := r.recovery.system[i]
		r.recovery.system = slices.Delete(r.recovery.system, i, i+1)
		t := e.terms[0]
		scale(e.bytes, inverse(t.k))
		size := int(binary.LittleEndian.Uint16(e.bytes[1:]))
		if r.come(t.sn) || size > len(e.bytes)-symbolHead || int(int32(t.sn-r.next)) >= c.room() {
			continue // no sum of what the peer has sent, or no room any more
		}
		r.found++
		r.hurry = true // or it is repeated for nothing
		c.stats.Found++
		if len(r.acks) == 0 {
			r.acks, r.timeless = append(r.acks, ack{sn: t.sn, clock: uint32(now)}), true
		}
		c.place(Header{Sn: t.sn, Frg: e.bytes[0]}, e.bytes[symbolHead:symbolHead+size])
	}
}
