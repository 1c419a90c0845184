// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"net/netip"
	"sync"
)

// packet is a datagram on its way. It has one owner at any moment: a link, the event heap,
// a socket's receive queue or the reader, and whoever takes it off the network releases it.
type packet struct {
	src, dst netip.AddrPort
	origin   *Host  // who sent it, for order among equals and for counting
	seq      uint64 // number among all that origin sent
	copies   uint8  // above 0: a duplicate
	ttl      int    // routers that it still may meet, and one
	draw     uint64 // seed of this datagram's draws, mixed with each link's own
	payload  []byte
	released bool
}

var packets = sync.Pool{New: func() any {
	return &packet{payload: make([]byte, 0, smallBuffer), released: true}
}}

// newPacket takes a packet from the pool and copies payload into it.
func newPacket(payload []byte) *packet {
	p := packets.Get().(*packet)
	*p = packet{payload: append(p.payload[:0], payload...)}
	return p
}

// duplicate is a copy with its own fate on the links ahead.
func (p *packet) duplicate() *packet {
	d := newPacket(p.payload)
	d.src, d.dst, d.origin, d.seq, d.ttl = p.src, p.dst, p.origin, p.seq, p.ttl
	d.copies = p.copies + 1
	d.draw = mix(p.draw, uint64(d.copies))
	return d
}

func (p *packet) release() {
	if p.released {
		panic("simnet: packet released twice")
	}
	p.released = true
	p.origin = nil
	packets.Put(p)
}

// hop takes the packet through a number of routers; false: not through all of them.
func (p *packet) hop(routers int) bool {
	p.ttl -= routers
	return p.ttl > 0
}

// before orders packets that are due at the same instant.
func (p *packet) before(q *packet) bool {
	switch {
	case p.origin != q.origin:
		return p.origin.id < q.origin.id
	case p.seq != q.seq:
		return p.seq < q.seq
	default:
		return p.copies < q.copies
	}
}
