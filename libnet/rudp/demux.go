// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"net/netip"
	"sync"
	"time"

	"p2plive/libnet/udp"
)

// reader is what the read loop of one socket owns.
type reader struct {
	*Socket
	retries []udp.Message // to be sent after this batch
	touched []*Conn       // sessions that got datagrams in this batch
}

// gate is what guards the endpoint against floods of initiations, whichever socket they come to.
type gate struct {
	mu      *sync.Mutex
	limits  *limiter
	cookies *cookies

	limited   HandshakeLimited // since the last such event
	limitedAt time.Time        // of that
}

func newGate(now time.Time) gate {
	return gate{mu: new(sync.Mutex), limits: newLimiter(now), cookies: newCookies(now)}
}

// take takes a batch of datagrams from anybody.
func (r *reader) take(batch []udp.Message, now time.Time) {
	for _, m := range batch {
		for d := range m.Datagrams() {
			r.ep.counters.datagramsIn.Add(1)
			r.ep.counters.bytesIn.Add(uint64(len(d)))
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
		r.ep.counters.foreign.Add(1)
		if r.onPacket != nil {
			r.onPacket(b, from)
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
		r.ep.counters.malformed.Add(1)
	}
}

func (r *reader) handleData(b []byte, from netip.AddrPort, now time.Time) {
	id, counter, ok := parseDataHeader(b)
	if !ok {
		r.ep.counters.malformed.Add(1)
		return
	}
	c := r.ep.lookup(id)
	if c == nil {
		r.ep.counters.unknownSession.Add(1)
		return
	}
	if c.receive(b, counter, Path{r.Socket, from}, now) {
		r.touched = append(r.touched, c)
	}
}

func (r *reader) handleResponse(b []byte) {
	id, ok := parseHandshakeHeader(b, typeResponse, responseLen)
	if !ok {
		r.ep.counters.malformed.Add(1)
		return
	}
	c := r.ep.lookup(id)
	if c == nil {
		r.ep.counters.unknownSession.Add(1)
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
		r.ep.counters.malformed.Add(1)
		return
	}
	key := initiationKey(b[initHeaderLen:])
	response, known := r.ep.repeatedResponse(key)
	switch {
	case response != nil:
		r.writeOne(response, from)
	case known:
	default:
		r.admit(key, b, from, now)
	}
}

// admit lets a new initiation pass to the responder, as far as the limits allow.
func (r *reader) admit(key initiationKey, b []byte, from netip.AddrPort, now time.Time) {
	g := &r.ep.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.limits.judge(from.Addr(), g.cookies.valid(b, from, now), now) {
	case admitted:
		if !r.ep.enqueue(key, b, Path{r.Socket, from}) {
			r.ep.counters.handshakesLimited.Add(1)
			r.ep.tellLimited(from, false, now)
		}
	case refused:
		r.ep.counters.handshakesLimited.Add(1)
		r.ep.tellLimited(from, false, now)
	case unproved:
		r.ep.counters.cookiesAsked.Add(1)
		r.ep.tellLimited(from, true, now)
		r.retries = append(r.retries, udp.Message{Buf: g.cookies.retry(b, from, now), Addr: from})
	}
}

func (r *reader) handleRetry(b []byte) {
	id, ok := parseHandshakeHeader(b, typeRetry, retryLen)
	if !ok {
		r.ep.counters.malformed.Add(1)
		return
	}
	c := r.ep.lookup(id)
	if c == nil {
		r.ep.counters.unknownSession.Add(1)
		return
	}
	c.useCookie(b[retryLen-cookieLen:])
}
