// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/rudp/internal/cc"
)

const (
	// challengeLen is the length of a datagram with nothing but a challenge. Only to a datagram as long is one sent, so
	// that an address that is not proved gets no more than it sent.
	challengeLen = dataHeaderLen + pingLen + tagLen
	// probePadding makes a probe as long as its answer, a response and a challenge.
	probePadding = pingLen
)

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

// move is a path that we want the session to take.
type move struct {
	to    Path
	token uint64
	done  chan struct{} // closed when it has been taken
}

// leftPath is the one that the session has left on purpose.
type leftPath struct {
	path Path
	at   time.Time
}

// recently tells whether datagrams that were on their way may still come from there.
func (l leftPath) recently(from Path, now time.Time) bool {
	return from == l.path && now.Sub(l.at) < settleTime
}

func newToken() uint64 {
	var token [8]byte
	rand.Read(token[:])
	return binary.BigEndian.Uint64(token[:])
}

// challenge asks the peer to show that it receives at another address than before. Until it has, everything else
// goes to the old one. The caller holds c.mu.
func (c *Conn) challenge(to Path, now time.Time) {
	if token, ok := c.ask(to, now); ok {
		c.sendTo(to, frameChallenge, token)
	}
}

// ask gives the token of a challenge, unless there was one a moment ago.
func (c *Conn) ask(to Path, now time.Time) (token uint64, ok bool) {
	m := &c.moving
	if now.Sub(m.asked) < challengeInterval {
		return 0, false
	}
	if m.to != to {
		m.to, m.token = to, newToken()
	}
	m.asked = now
	return m.token, true
}

// answerProbe answers a probe. One from where the peer is not gets a challenge with it, as all else that goes there no
// longer than what has come. The caller holds c.mu.
func (c *Conn) answerProbe(token uint64, from Path, padding int, now time.Time) {
	if from == c.path {
		appendPing(c.out.reserve(c, pingLen)[:0], frameResponse, token)
		return
	}
	if padding < probePadding {
		return
	}
	if own, ok := c.ask(from, now); ok {
		c.sendTwo(from, frameResponse, token, frameChallenge, own)
	}
}

// arrive takes the response to a challenge or a probe: from now on the peer is there. The caller holds c.mu.
func (c *Conn) arrive(token uint64, from Path, now time.Time) {
	if m := c.move; m != nil && token == m.token && from == m.to {
		c.left = leftPath{c.path, now}
		c.take(from, now)
		c.endMove()
		c.ping(now) // the peer hears of it, whatever becomes of its challenge
		return
	}
	m := c.moving
	if m.asked.IsZero() || token != m.token || from != m.to {
		return
	}
	c.moving = migration{}
	c.take(from, now)
	c.stats.Moves++
}

// take makes a path the session's. The caller holds c.mu.
func (c *Conn) take(to Path, now time.Time) {
	if to == c.path || to.Socket.dead() {
		return
	}
	c.writeOut() // what is packed was meant for the old one
	from := c.path
	c.ep.log.Debug("session moves", slog.Any("peer", c.peer), slog.Any("from", from.Addr), slog.Any("to", to.Addr))
	// With another port alone it is a NAT that has forgotten, and the same path.
	if from.Addr.Addr() != to.Addr.Addr() || from.Socket != to.Socket {
		c.congest = cc.New(c.ep.cfg.congestion(), c.at(now))
		c.rtt = arq.Estimator{}
	}
	if c.ep.observed() {
		c.tell(now, PathChanged{From: from.Addr, To: to.Addr})
	}
	c.path = to
	for _, ch := range c.active {
		ch.core.NewPath(c.ticks(now))
	}
}

// Move lets the session take another path, once that has been seen to work in both directions; nothing is lost by it,
// and the peer follows. It returns nil when the session is on that path, the session's error when it ends, the cause
// of ctx, or ErrHandshakeTimeout after a second without an answer; the session then stays where it was.
func (c *Conn) Move(ctx context.Context, to Path) error {
	to = to.plain()
	m, err := c.startMove(to)
	if m == nil {
		return err
	}
	defer c.forgetMove(m)
	repeat := time.NewTicker(probeInterval)
	defer repeat.Stop()
	for sent := 1; ; sent++ {
		select {
		case <-m.done:
			return nil
		case <-c.done:
			return c.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-repeat.C:
		}
		if sent == probeCount {
			return ErrHandshakeTimeout
		}
		c.probePath(m)
	}
}

// startMove sends the first probe. It gives no move where none is needed or possible.
func (c *Conn) startMove(to Path) (*move, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return nil, c.err
	case to.Socket.dead():
		return nil, ErrSocketClosed
	case to == c.path:
		return nil, nil
	case c.move != nil:
		return nil, ErrMoving
	}
	c.move = &move{to: to, token: newToken(), done: make(chan struct{})}
	c.sendProbe(c.move)
	return c.move, nil
}

func (c *Conn) probePath(m *move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.move == m && c.state == stateOpen {
		c.sendProbe(m)
	}
}

func (c *Conn) sendProbe(m *move) {
	c.sendTwo(m.to, frameProbe, m.token, framePadding, 0)
}

func (c *Conn) forgetMove(m *move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.move == m {
		c.move = nil
	}
}

// endMove tells who waits in Move. The caller holds c.mu.
func (c *Conn) endMove() {
	close(c.move.done)
	c.move = nil
}

// sendTo sends one frame with a token by another path than the session's. The caller holds c.mu.
func (c *Conn) sendTo(to Path, kind byte, token uint64) {
	b := make([]byte, dataHeaderLen, challengeLen)
	to.Socket.writeOne(c.sealNext(appendPing(b, kind, token)), to.Addr)
}

// sendTwo sends two such frames in one datagram.
func (c *Conn) sendTwo(to Path, first byte, token uint64, second byte, token2 uint64) {
	b := make([]byte, dataHeaderLen, challengeLen+pingLen)
	b = appendPing(appendPing(b, first, token), second, token2)
	to.Socket.writeOne(c.sealNext(b), to.Addr)
}
