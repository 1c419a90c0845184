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

// plain is the path with an address that is not IPv4 mapped into IPv6.
func (p Path) plain() Path {
	return Path{p.Socket, netip.AddrPortFrom(p.Addr.Addr().Unmap(), p.Addr.Port())}
}

// migration is a new path to where the peer seems to be.
type migration struct {
	to    Path
	token uint64
	asked time.Time
}

func newToken() uint64 {
	var token [8]byte
	rand.Read(token[:])
	return binary.BigEndian.Uint64(token[:])
}

// challenge asks the peer to show that it receives at another address than before. Until it has, everything else
// goes to the old one. The caller holds c.mu.
func (c *Conn) challenge(to Path, now time.Time) {
	m := &c.moving
	if now.Sub(m.asked) < challengeInterval {
		return
	}
	if m.to != to {
		m.to, m.token = to, newToken()
	}
	m.asked = now
	c.sendApart(to, frameChallenge, m.token, pingLen)
}

// arrive takes the response to a challenge: from now on the peer is there. The caller holds c.mu.
func (c *Conn) arrive(token uint64, from Path, now time.Time) {
	if m := c.moving; !m.asked.IsZero() && token == m.token && from == m.to {
		c.take(from, 0, now)
	}
}

// take sends everything by another path from now on; rtt is zero if not known. The caller holds c.mu.
func (c *Conn) take(to Path, rtt time.Duration, now time.Time) {
	if to == c.path || to.Socket.dead() {
		return
	}
	c.writeOut() // what is packed was meant for the old one
	from := c.path
	c.ep.log.Debug("session moves", slog.Any("peer", c.peer), slog.Any("from", from.Addr), slog.Any("to", to.Addr))
	// With another port alone it is a NAT that has forgotten, and the same path.
	other := from.Addr.Addr() != to.Addr.Addr() || from.Socket != to.Socket
	if other {
		c.congest = cc.New(c.ep.cfg.congestion(), c.at(now)) // for BaseDatagram, as the MTU is again
		c.rtt, c.guard.loss, c.guard.after = arq.Estimator{}, lossMeter{}, time.Time{}
		if rtt > 0 {
			c.measured(rtt, now)
		}
	}
	if c.ep.observed() {
		c.tell(now, PathChanged{From: from.Addr, To: to.Addr})
	}
	c.path, c.moving = to, migration{}
	if other {
		c.mtu = c.newMTU()
		c.resize(now)
	}
	c.stats.Moves++
	for _, ch := range c.active {
		ch.core.NewPath(c.ticks(now))
	}
}

// sendApart sends a datagram of its own, by any path, with a challenge or response and n-pingLen bytes of padding. The
// caller holds c.mu.
func (c *Conn) sendApart(to Path, kind byte, token uint64, n int) {
	b := make([]byte, dataHeaderLen+n, dataHeaderLen+n+tagLen)
	appendPing(b[:dataHeaderLen], kind, token)
	to.Socket.writeOne(c.sealNext(b), to.Addr)
}
