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
	held    *Conn         // the one whose lock is held: that of the last datagram of the present message
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

// takeAll takes n messages, and what comes meanwhile: one acknowledgement, one wake-up of those who wait and one batch of
// what it lets them send serve all of it. It gives the time of the last.
func (r *reader) takeAll(batch []udp.Message, n int) time.Time {
	for taken := 0; ; {
		now := time.Now()
		for _, m := range batch[:n] {
			taken += r.take(m, now)
		}
		if taken >= drainBatch {
			return now
		}
		if n, _ = r.sock.ReadMore(batch); n == 0 {
			return now // an error will come again
		}
	}
}

// take takes what came as one: datagrams of one address, mostly of one session, which is locked once for all. It gives
// their number.
func (r *reader) take(m udp.Message, now time.Time) int {
	count := 0
	for d := range m.Datagrams() {
		count++
		r.handle(d, m.Addr, now)
	}
	r.letGo()
	r.ep.counters.datagramsIn.Add(uint64(count))
	r.ep.counters.bytesIn.Add(uint64(len(m.Buf)))
	return count
}

// hold locks the session that a data datagram is for; nil: there is none. It stays locked until letGo.
func (r *reader) hold(id connID) *Conn {
	if r.held == nil || r.held.local != id {
		r.letGo()
		if r.held = r.ep.lookup(id); r.held != nil {
			r.held.mu.Lock()
		}
	}
	return r.held
}

func (r *reader) letGo() {
	if r.held != nil {
		r.held.mu.Unlock()
		r.held = nil
	}
}

// endBatch sends what the datagrams of a batch have caused.
func (r *reader) endBatch(now time.Time) {
	if len(r.retries) > 0 {
		r.write(r.retries)
		clear(r.retries)
		r.retries = r.retries[:0]
	}
	offered := false
	for i, c := range r.touched {
		offered = c.endBatch(now) || offered
		r.touched[i] = nil
	}
	r.touched = r.touched[:0]
	if offered {
		r.ep.sendSome()
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
	if len(b) > 0 && b[0] == typeData {
		r.handleData(b, from, now)
		return
	}
	r.letGo()
	if foreign(b) {
		r.ep.counters.foreign.Add(1)
		if r.onPacket != nil {
			r.onPacket(b, from)
		}
		return
	}
	switch b[0] {
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
	c := r.hold(id)
	if c == nil {
		r.ep.counters.unknownSession.Add(1)
		return
	}
	if c.receive(b, counter, Path{r.Socket, from}, now) && !c.touched {
		c.touched = true
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
	if _, ok := parseHandshakeHeader(b, typeInitiation, BaseDatagram); !ok {
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
