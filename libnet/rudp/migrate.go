// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/rudp/internal/cc"
)

// challengeLen is the length of a datagram with nothing but a challenge. Only to a datagram as long is one sent, so
// that an address that is not proved gets no more than it sent.
const challengeLen = dataHeaderLen + pingLen + tagLen

// migration is a new address that the peer seems to have.
type migration struct {
	to    netip.AddrPort
	token uint64
	asked time.Time
}

// challenge asks the peer to show that it receives at another address than before. Until it has, everything else
// goes to the old one. The caller holds c.mu.
func (c *Conn) challenge(to netip.AddrPort, now time.Time) {
	m := &c.moving
	if now.Sub(m.asked) < challengeInterval {
		return
	}
	if m.to != to {
		var token [8]byte
		rand.Read(token[:])
		m.to, m.token = to, binary.BigEndian.Uint64(token[:])
	}
	m.asked = now
	if c.out.filling() {
		c.out.seal(c, false)
	}
	appendPing(c.out.reserve(c, pingLen)[:0], frameChallenge, m.token)
	c.out.sealTo(c, to, false)
}

// arrive takes the response to a challenge: from now on the peer is there. The caller holds c.mu.
func (c *Conn) arrive(token uint64, from netip.AddrPort, now time.Time) {
	m := c.moving
	if m.asked.IsZero() || token != m.token || from != m.to {
		return
	}
	c.ep.log.Debug("peer has moved", slog.Any("peer", c.peer), slog.Any("from", c.addr), slog.Any("to", from))
	// With another port alone it is a NAT that has forgotten, and the same path.
	if c.addr.Addr() != from.Addr() {
		c.congest = cc.New(c.ep.cfg.congestion(), c.at(now))
		c.rtt = arq.Estimator{}
	}
	if c.ep.observed() {
		c.tell(now, PathChanged{From: c.addr, To: from})
	}
	c.addr, c.moving = from, migration{}
	c.stats.Moves++
}
