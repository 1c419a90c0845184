// SPDX-License-Identifier: GPL-3.0-or-later

package transport

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"
)

// QUIC is quic-go with one stream a session. Its settings are the defaults, but for the keepalive, which is
// that of rudp.
type QUIC struct{}

var quicConfig = &quic.Config{KeepAlivePeriod: 2 * time.Second}

// Name implements Transport.
func (QUIC) Name() string { return "quic-go" }

// Listen implements Transport.
func (QUIC) Listen() (Host, error) {
	conf, cert, err := serverTLS()
	if err != nil {
		return nil, err
	}
	l, err := quic.ListenAddr(netip.AddrPortFrom(localhost, 0).String(), conf, quicConfig)
	if err != nil {
		return nil, err
	}
	return quicHost{l, cert}, nil
}

// Dial implements Transport.
func (QUIC) Dial(ctx context.Context, to Address, from netip.Addr) (Session, error) {
	conf, err := clientTLS(to.Key)
	if err != nil {
		return nil, err
	}
	pc, err := listenUDP(from)
	if err != nil {
		return nil, err
	}
	tr := &quic.Transport{Conn: pc}
	closeAll := func() error {
		tr.Close()
		return pc.Close()
	}
	c, err := tr.Dial(ctx, net.UDPAddrFromAddrPort(to.Addr), conf, quicConfig)
	if err != nil {
		closeAll()
		return nil, err
	}
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		closeAll()
		return nil, err
	}
	return greet(ctx, &stream{ReadWriter: s, close: func() error {
		c.CloseWithError(0, "done")
		return closeAll()
	}})
}

type quicHost struct {
	*quic.Listener
	cert string
}

func (h quicHost) Address() Address { return Address{Addr: portOf(h.Addr()), Key: h.cert} }

func (h quicHost) Accept(ctx context.Context) (Session, error) {
	c, err := h.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.AcceptStream(ctx)
	if err != nil {
		c.CloseWithError(0, "no stream")
		return nil, err
	}
	return welcome(ctx, &stream{ReadWriter: s, close: func() error { return c.CloseWithError(0, "done") }})
}
