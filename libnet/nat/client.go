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
	server netip.AddrPort
	result chan result // capacity 1
}

type result struct {
	addr netip.AddrPort
	err  error
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
	if !server.Addr().IsValid() || server.Port() == 0 {
		return netip.AddrPort{}, errors.New("no address or no port")
	}
	// The fingerprint lets the server, too, tell STUN from the socket's other traffic.
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("build request: %w", err)
	}
	t := &transaction{server: plain(server), result: make(chan result, 1)}
	if !c.begin(request.TransactionID, t) {
		return netip.AddrPort{}, ErrBusy
	}
	defer c.end(request.TransactionID)

	var sendErr error // the last one: it tells more than silence does
	wait := initialRTO
	timer := time.NewTimer(0)
	defer timer.Stop()
	for sends := 0; ; {
		select {
		case r := <-t.result:
			return r.addr, r.err
		case <-ctx.Done():
			return netip.AddrPort{}, noAnswer(context.Cause(ctx), sendErr)
		case <-timer.C:
		}
		if sends == maxTransmits {
			return netip.AddrPort{}, noAnswer(sendErr)
		}
		// Not every failure lasts: an interface may be about to come up.
		if _, sendErr = c.sender.WriteTo(request.Raw, server); errors.Is(sendErr, net.ErrClosed) {
			return netip.AddrPort{}, sendErr
		}
		sends++
		c.sent.Add(1)
		if sends == maxTransmits {
			wait = lastWaitFactor * initialRTO
		}
		timer.Reset(wait)
		wait *= 2
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
// of this client that is under way, and nobody else needs to see it. It never keeps b.
func (c *Client) HandlePacket(b []byte, from netip.AddrPort) bool {
	if !IsSTUN(b) || messageType(b) != bindingSuccess && messageType(b) != bindingError {
		return false
	}
	id := messageID(b)
	c.mu.Lock()
	t := c.pending[id]
	c.mu.Unlock()
	if t == nil {
		return false
	}
	r, err := readResponse(b)
	if err != nil || plain(from) != t.server {
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

// readResponse returns what the server says, or an error where that cannot be understood.
func readResponse(b []byte) (result, error) {
	m, err := decode(b)
	if err != nil {
		return result{}, err
	}
	if messageType(b) == bindingSuccess {
		addr, err := mappedAddress(m)
		return result{addr: addr}, err
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return result{}, errMalformed
	}
	return result{err: fmt.Errorf("%w (error %d)", ErrRefused, code.Code)}, nil
}
