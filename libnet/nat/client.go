// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v3"
)

var (
	// ErrNoAnswer: the server did not answer in time. It may be down, or UDP blocked on the way.
	ErrNoAnswer = errors.New("nat: no answer from the STUN server")
	// ErrRefused: the server answered with an error.
	ErrRefused = errors.New("nat: the STUN server refused the request")
	// ErrBusy: too many requests are under way.
	ErrBusy = errors.New("nat: too many STUN requests under way")

	// errElsewhere: a response from where it is not expected.
	errElsewhere = errors.New("nat: response from elsewhere")
	// errUnchanged: a server that passes over CHANGE-REQUEST.
	errUnchanged = errors.New("nat: the STUN server cannot answer from elsewhere")
)

// Sender sends datagrams from the socket that the client asks about. It must not keep b.
type Sender interface {
	WriteTo(b []byte, addr netip.AddrPort) (int, error)
}

// Client sends Binding requests from a shared socket and matches the responses fed to it. Its
// methods may be called from several goroutines; it has none of its own.
type Client struct {
	sender Sender

	sent, answered, ignored atomic.Uint64

	mu      sync.Mutex // guards pending
	pending map[transactionID]*transaction
}

// transaction is a request under way.
type transaction struct {
	server netip.AddrPort // where the request goes
	expect expectation
	result chan result // capacity 1
}

// expectation is what ends a transaction.
type expectation uint8

const (
	anAnswer      expectation = iota // a response from where the request went
	fromOtherPort                    // a response from another port of that address
	fromOtherAddr                    // a response from another address
	itself                           // the request, come back through the NAT
)

type result struct {
	addr  netip.AddrPort // the reflexive address
	other netip.AddrPort // OTHER-ADDRESS; zero: none
	from  netip.AddrPort // RESPONSE-ORIGIN; zero: none
	err   error
}

// ClientStats counts datagrams.
type ClientStats struct {
	Sent     uint64 // requests with their retransmissions
	Answered uint64 // responses that ended a request
	Ignored  uint64 // malformed responses to a request under way, or from another address
}

// NewClient returns a client that sends through s.
func NewClient(s Sender) *Client {
	return &Client{sender: s, pending: make(map[transactionID]*transaction)}
}

// Stats returns the counters.
func (c *Client) Stats() ClientStats {
	return ClientStats{Sent: c.sent.Load(), Answered: c.answered.Load(), Ignored: c.ignored.Load()}
}

// Reflexive asks a server from which address and port the socket's datagrams reach it. The
// request is repeated as RFC 8489 says, 0.5 s after the first, and given up after 39.5 s; ctx
// may end it sooner. Errors match ErrNoAnswer (and then the cause of ctx, if that ended it),
// ErrRefused, ErrBusy, or net.ErrClosed where the socket is closed.
func (c *Client) Reflexive(ctx context.Context, server netip.AddrPort) (netip.AddrPort, error) {
	addr, err := c.reflexive(ctx, server)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("ask STUN server %v: %w", server, err)
	}
	return addr, nil
}

func (c *Client) reflexive(ctx context.Context, server netip.AddrPort) (netip.AddrPort, error) {
	r, err := c.ask(ctx, question{to: server, waits: standardWaits})
	return r.addr, err
}

// question is a request with what is to become of it.
type question struct {
	to     netip.AddrPort
	expect expectation
	attrs  []stun.Setter
	waits  []time.Duration // a transmission is followed by each of them
	via    *Client         // who sends it, where that is another than who waits for the answer
}

// ask sends a request until what is expected comes.
func (c *Client) ask(ctx context.Context, q question) (result, error) {
	if !q.to.Addr().IsValid() || q.to.Port() == 0 {
		return result{}, errors.New("no address or no port")
	}
	setters := append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, q.attrs...)
	// The fingerprint lets the server, too, tell STUN from the socket's other traffic.
	request, err := stun.Build(append(setters, stun.Fingerprint)...)
	if err != nil {
		return result{}, fmt.Errorf("build request: %w", err)
	}
	t := &transaction{server: plain(q.to), expect: q.expect, result: make(chan result, 1)}
	if !c.begin(request.TransactionID, t) {
		return result{}, ErrBusy
	}
	defer c.end(request.TransactionID)
	via := c
	if q.via != nil {
		via = q.via
	}

	var sendErr error // the last one: it tells more than silence does
	timer := time.NewTimer(0)
	defer timer.Stop()
	for sends := 0; ; sends++ {
		select {
		case r := <-t.result:
			return r, r.err
		case <-ctx.Done():
			return result{}, noAnswer(context.Cause(ctx), sendErr)
		case <-timer.C:
		}
		if sends == len(q.waits) {
			return result{}, noAnswer(sendErr)
		}
		// Not every failure lasts: an interface may be about to come up.
		if _, sendErr = via.sender.WriteTo(request.Raw, q.to); errors.Is(sendErr, net.ErrClosed) {
			return result{}, sendErr
		}
		via.sent.Add(1)
		timer.Reset(q.waits[sends])
	}
}

// noAnswer is ErrNoAnswer with what is known about why.
func noAnswer(causes ...error) error {
	err := ErrNoAnswer
	for _, cause := range causes {
		if cause != nil {
			err = fmt.Errorf("%w: %w", err, cause)
		}
	}
	return err
}

func (c *Client) begin(id transactionID, t *transaction) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) >= maxPending {
		return false
	}
	c.pending[id] = t
	return true
}

// end forgets a transaction and returns it; nil if another has done so.
func (c *Client) end(id transactionID) *transaction {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.pending[id]
	delete(c.pending, id)
	return t
}

// HandlePacket takes a datagram that the socket received. True: it was a response to a request
// of this client that is under way, or such a request itself, and nobody else needs to see it. It
// never keeps b.
func (c *Client) HandlePacket(b []byte, from netip.AddrPort) bool {
	if !IsSTUN(b) {
		return false
	}
	kind, id := messageType(b), messageID(b)
	if kind != bindingSuccess && kind != bindingError && kind != bindingRequest {
		return false
	}
	c.mu.Lock()
	t := c.pending[id]
	c.mu.Unlock()
	if t == nil || (kind == bindingRequest) != (t.expect == itself) {
		return false
	}
	r, err := t.read(b, plain(from))
	if err != nil {
		// Not an answer, but the id is ours. The true one may still come.
		c.ignored.Add(1)
		return true
	}
	if c.end(id) != nil { // only the first response counts
		c.answered.Add(1)
		t.result <- r
	}
	return true
}

// read returns how b ends the transaction, or an error where it does not.
func (t *transaction) read(b []byte, from netip.AddrPort) (result, error) {
	if t.expect == itself {
		_, err := decode(b)
		return result{addr: from}, err
	}
	r, err := readResponse(b)
	if err != nil {
		return result{}, err
	}
	switch t.expect {
	case anAnswer:
		if from != t.server {
			return result{}, errElsewhere
		}
	case fromOtherPort, fromOtherAddr:
		// Which port or address it will be need not be known beforehand: who knows the id has
		// seen the request.
		switch {
		case r.err == nil && from == t.server:
			return result{err: errUnchanged}, nil
		case r.err == nil && (from.Addr() == t.server.Addr()) != (t.expect == fromOtherPort):
			return result{}, errElsewhere
		}
	}
	return r, nil
}

// readResponse returns what the server says, or an error where that cannot be understood.
func readResponse(b []byte) (result, error) {
	m, err := decode(b)
	if err != nil {
		return result{}, err
	}
	if messageType(b) == bindingSuccess {
		addr, err := mappedAddress(m)
		return result{addr: addr, other: address(m, stun.AttrOtherAddress), from: address(m, stun.AttrResponseOrigin)}, err
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return result{}, errMalformed
	}
	return result{err: fmt.Errorf("%w (error %d)", ErrRefused, code.Code)}, nil
}
