// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"p2plive/libnet/udp"
)

// reader is what the read loop owns.
type reader struct {
	*Endpoint
	limits  *limiter
	cookies *cookies
	retries []udp.Message // to be sent after this batch
	touched []*Conn       // sessions that got datagrams in this batch

	limited   HandshakeLimited // since the last such event
	limitedAt time.Time        // of that
}

// readLoop reads until the socket is closed.
func (e *Endpoint) readLoop() {
	start := time.Now()
	r := &reader{Endpoint: e, limits: newLimiter(start), cookies: newCookies(start)}
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
			for d := range m.Datagrams() {
				e.counters.datagramsIn.Add(1)
				e.counters.bytesIn.Add(uint64(len(d)))
				r.handle(d, m.Addr, now)
			}
		}
		if len(r.retries) > 0 {
			r.write(r.retries)
			clear(r.retries)
			r.retries = r.retries[:0]
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
		r.handleData(b, from, now)
	case typeInitiation:
		r.handleInitiation(b, from, now)
	case typeResponse:
		r.handleResponse(b)
	case typeRetry:
		r.handleRetry(b)
	default:
		r.counters.malformed.Add(1)
	}
}

func (r *reader) handleData(b []byte, from netip.AddrPort, now time.Time) {
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
	if c.receive(b, counter, from, now) && !c.touched {
		c.touched = true
		r.touched = append(r.touched, c)
	}
}

func (r *reader) handleResponse(b []byte) {
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
	select {
	case c.responses <- [responseLen]byte(b):
	default: // nobody dials any more, or copies have come
	}
}

// handleInitiation leaves the cryptography to the responder, so that a flood of handshakes takes no time
// from running sessions.
func (r *reader) handleInitiation(b []byte, from netip.AddrPort, now time.Time) {
	if _, ok := parseHandshakeHeader(b, typeInitiation, MaxDatagram); !ok {
		r.counters.malformed.Add(1)
		return
	}
	key := initiationKey(b[initHeaderLen:])
	response, known := r.repeatedResponse(key)
	switch {
	case response != nil:
		r.write([]udp.Message{{Buf: response, Addr: from}})
	case known:
	default:
		r.admit(key, b, from, now)
	}
}

// admit lets a new initiation pass to the responder, as far as the limits allow.
func (r *reader) admit(key initiationKey, b []byte, from netip.AddrPort, now time.Time) {
	switch r.limits.judge(from.Addr(), r.cookies.valid(b, from, now), now) {
	case admitted:
		if !r.enqueue(key, b, from) {
			r.counters.handshakesLimited.Add(1)
			r.tellLimited(from, false, now)
		}
	case refused:
		r.counters.handshakesLimited.Add(1)
		r.tellLimited(from, false, now)
	case unproved:
		r.counters.cookiesAsked.Add(1)
		r.tellLimited(from, true, now)
		r.retries = append(r.retries, udp.Message{Buf: r.cookies.retry(b, from, now), Addr: from})
	}
}

func (r *reader) handleRetry(b []byte) {
	id, ok := parseHandshakeHeader(b, typeRetry, retryLen)
	if !ok {
		r.counters.malformed.Add(1)
		return
	}
	c := r.lookup(id)
	if c == nil {
		r.counters.unknownSession.Add(1)
		return
	}
	c.useCookie(b[retryLen-cookieLen:])
}
