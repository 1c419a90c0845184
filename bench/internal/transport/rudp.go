// SPDX-License-Identifier: GPL-3.0-or-later

package transport

import (
	"context"
	"fmt"
	"net/netip"

	"p2plive/libnet/rudp"
)

// RUDP is this project's libnet/rudp.
type RUDP struct{}

const (
	rudpChannel = 1
	// rudpSessions is above what any benchmark opens.
	rudpSessions = 8192
)

// Name implements Transport.
func (RUDP) Name() string { return "rudp" }

func rudpEndpoint(ip netip.Addr) (*rudp.Endpoint, error) {
	id, err := rudp.NewIdentity()
	if err != nil {
		return nil, err
	}
	pc, err := listenUDP(ip)
	if err != nil {
		return nil, err
	}
	return rudp.Listen(pc, rudp.Config{Identity: id, MaxSessions: rudpSessions})
}

// Listen implements Transport.
func (RUDP) Listen() (Host, error) {
	e, err := rudpEndpoint(localhost)
	if err != nil {
		return nil, err
	}
	return rudpHost{e}, nil
}

// Dial implements Transport.
func (RUDP) Dial(ctx context.Context, to Address, from netip.Addr) (Session, error) {
	peer, err := rudp.ParsePeerID(to.Key)
	if err != nil {
		return nil, err
	}
	e, err := rudpEndpoint(from)
	if err != nil {
		return nil, err
	}
	c, err := e.Dial(ctx, to.Addr, peer)
	if err != nil {
		e.Close()
		return nil, err
	}
	return greet(ctx, &rudpSession{Channel: c.Channel(rudpChannel), close: e.Close})
}

type rudpHost struct{ *rudp.Endpoint }

func (h rudpHost) Address() Address { return Address{Addr: h.LocalAddr(), Key: h.ID().String()} }

func (h rudpHost) Accept(ctx context.Context) (Session, error) {
	c, err := h.Endpoint.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return welcome(ctx, &rudpSession{Channel: c.Channel(rudpChannel), close: func() error { return c.Close("done") }})
}

type rudpSession struct {
	*rudp.Channel
	close func() error
	last  []byte // what Receive gave, which it takes back
}

func (s *rudpSession) Receive(ctx context.Context, size int) ([]byte, error) {
	rudp.Recycle(s.last)
	b, err := s.Recv(ctx)
	if err == nil && len(b) != size {
		err = fmt.Errorf("message of %d bytes, want %d", len(b), size)
	}
	s.last = b
	return b, err
}

func (s *rudpSession) Close() error { return s.close() }
