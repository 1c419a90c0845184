// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"errors"
	"log/slog"
	"time"
)

// initiationKey tells copies of an initiation from new ones: its ephemeral public key.
type initiationKey [keyLen]byte

// inbound is an initiation on its way to the responder.
type inbound struct {
	datagram [BaseDatagram]byte
	from     Path
}

func (i *inbound) key() initiationKey { return initiationKey(i.datagram[initHeaderLen:]) }

// repeatedResponse gives the response that a copy of an initiation gets again, a few times. Known copies
// without a response are dropped.
func (e *Endpoint) repeatedResponse(key initiationKey) (response []byte, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, known := e.initiations[key]
	if c == nil || c.repeats >= maxRepeats {
		return nil, known
	}
	c.repeats++
	e.counters.handshakesRepeat.Add(1)
	return c.response, true
}

// enqueue hands an initiation to the responder, or tells that this has enough to do.
func (e *Endpoint) enqueue(key initiationKey, b []byte, from Path) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.inbound) == cap(e.inbound) {
		return false
	}
	e.initiations[key] = nil // known, not answered yet
	e.inbound <- &inbound{datagram: [BaseDatagram]byte(b), from: from}
	return true
}

// respondLoop answers initiations until the endpoint is closed.
func (e *Endpoint) respondLoop() {
	for {
		select {
		case in := <-e.inbound:
			response, err := e.respond(in, time.Now())
			if err != nil {
				e.log.Debug("handshake not answered", slog.Any("from", in.from.Addr), slog.Any("error", err))
			}
			if response != nil {
				in.from.Socket.writeOne(response, in.from.Addr)
			}
		case <-e.done:
			return
		}
	}
}

// respond verifies an initiation and makes a half-open session for it, or a refusal that leaves no state.
// Who does not know our key learns nothing; the response is shorter than the initiation.
func (e *Endpoint) respond(in *inbound, now time.Time) (response []byte, err error) {
	var c *Conn
	defer func() { e.answered(in.key(), c, response) }()
	a, err := readInitiation(e.cfg.Identity, e.cfg.Prologue, in.datagram[:])
	if err != nil {
		e.counters.unauthentic.Add(1)
		return nil, err
	}
	e.counters.handshakesIn.Add(1)
	half := newConn(in.from, a.peer, now)
	evicted, err := e.admitHalfOpen(half)
	if errors.Is(err, ErrTooManySessions) {
		e.counters.handshakesRefused.Add(1)
		response, _, err = a.respond(statusBusy, 0)
		return response, err
	}
	if err != nil {
		return nil, err
	}
	if evicted != nil {
		e.counters.evicted.Add(1)
		evicted.abandon(errEvicted)
	}
	response, keys, err := a.respond(statusAccepted, half.local)
	if err != nil {
		half.abandon(err)
		return nil, err
	}
	c = half
	c.startHalfOpen(a.initiator, keys, now)
	return response, nil
}

var errEvicted = errors.New("half-open session gave way to a newer one")

// answered notes the session and the response that copies of an initiation get; without a session the
// initiation is forgotten.
func (e *Endpoint) answered(key initiationKey, c *Conn, response []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c == nil || e.conns[c.local] != c {
		delete(e.initiations, key)
		return
	}
	c.initiation, c.response = key, response
	e.initiations[key] = c
}
