// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"p2plive/libnet/udp"
)

// initiationHash tells copies of an initiation from new ones.
type initiationHash [sha256.Size]byte

// reader is what the read loop owns.
type reader struct {
	*Endpoint
	limits  *limiter
	touched []*Conn // sessions that got datagrams in this batch
}

// readLoop reads until the socket is closed.
func (e *Endpoint) readLoop() {
	r := &reader{Endpoint: e, limits: newLimiter(time.Now())}
	batch := make([]udp.Message, readBatch)
	for {
		n, err := e.sock.ReadBatch(batch)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Some systems report here that an earlier datagram met no listener; reading goes on.
			e.log.Debug("read failed", slog.Any("error", err))
			if !e.pause(readErrorPause) {
				return
			}
			continue
		}
		now := time.Now()
		for _, m := range batch[:n] {
			e.counters.datagramsIn.Add(1)
			e.counters.bytesIn.Add(uint64(len(m.Buf)))
			r.handle(m.Buf, m.Addr, now)
		}
		for i, c := range r.touched {
			c.endBatch(now)
			r.touched[i] = nil
		}
		r.touched = r.touched[:0]
	}
}

// pause waits, and tells whether the endpoint is still open.
func (e *Endpoint) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.done:
		return false
	}
}

// handle takes one datagram from anybody.
func (r *reader) handle(b []byte, from netip.AddrPort, now time.Time) {
	if foreign(b) {
		r.counters.foreign.Add(1)
		if r.cfg.OnPacket != nil {
			r.cfg.OnPacket(b, from)
		}
		return
	}
	switch b[0] {
	case typeData:
		r.handleData(b, now)
	case typeInitiation:
		r.handleInitiation(b, from, now)
	case typeResponse:
		r.handleResponse(b, now)
	default:
		r.counters.malformed.Add(1)
	}
}

func (r *reader) handleData(b []byte, now time.Time) {
	id, counter, ok := parseDataHeader(b)
	if !ok {
		r.counters.malformed.Add(1)
		return
	}
	c := r.lookup(id)
	if c == nil {
		r.counters.unknownSession.Add(1)
		return
	}
	if c.receive(b, counter, now) && !c.touched {
		c.touched = true
		r.touched = append(r.touched, c)
	}
}

// handleInitiation answers an initiation, without telling anything to those that do not know our key. It
// never sends more bytes than it got, and a copy of an initiation gets the same response again.
func (r *reader) handleInitiation(b []byte, from netip.AddrPort, now time.Time) {
	if _, ok := parseHandshakeHeader(b, typeInitiation, MaxDatagram); !ok {
		r.counters.malformed.Add(1)
		return
	}
	if !r.limits.allow(from.Addr(), now) {
		r.counters.handshakesLimited.Add(1)
		return
	}
	hash := initiationHash(sha256.Sum256(b))
	r.mu.RLock()
	known := r.initiations[hash]
	r.mu.RUnlock()
	if known != nil {
		r.counters.handshakesRepeat.Add(1)
		r.write([]udp.Message{{Buf: known.response, Addr: from}})
		return
	}
	a, err := readInitiation(r.cfg.Identity, r.cfg.Prologue, b)
	if err != nil {
		r.counters.unauthentic.Add(1)
		return
	}
	r.counters.handshakesIn.Add(1)
	response, err := r.respond(a, hash, from, now)
	if err != nil {
		r.log.Debug("handshake not answered", slog.Any("error", err))
		return
	}
	r.write([]udp.Message{{Buf: response, Addr: from}})
}

// respond makes a half-open session for a verified initiation, or a refusal that leaves no state.
func (r *reader) respond(a *admission, hash initiationHash, from netip.AddrPort, now time.Time) ([]byte, error) {
	c := newConn(r.Endpoint, from, a.peer, now)
	evicted, err := r.admitHalfOpen(c, hash)
	if errors.Is(err, ErrTooManySessions) {
		r.counters.handshakesRefused.Add(1)
		response, _, err := a.respond(statusBusy, 0)
		return response, err
	}
	if err != nil {
		return nil, err
	}
	if evicted != nil {
		r.counters.evicted.Add(1)
		evicted.abandon(errEvicted)
	}
	response, keys, err := a.respond(statusAccepted, c.local)
	if err != nil {
		c.abandon(err)
		return nil, err
	}
	c.startHalfOpen(a.initiator, keys, response, now)
	return response, nil
}

var errEvicted = errors.New("half-open session gave way to a newer one")

func (r *reader) handleResponse(b []byte, now time.Time) {
	id, ok := parseHandshakeHeader(b, typeResponse, responseLen)
	if !ok {
		r.counters.malformed.Add(1)
		return
	}
	c := r.lookup(id)
	if c == nil {
		r.counters.unknownSession.Add(1)
		return
	}
	c.onResponse(b, now)
}
