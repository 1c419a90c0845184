// SPDX-License-Identifier: GPL-3.0-or-later

package transport

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/netip"

	"github.com/xtaci/kcp-go/v5"
)

// KCP is kcp-go's UDPSession with AES-GCM, tuned as its users do for speed: turbo mode, a window of 1024
// packets, no write delay.
type KCP struct{}

const kcpWindow = 1024

// Name implements Transport.
func (KCP) Name() string { return "kcp-go" }

// Listen implements Transport.
func (KCP) Listen() (Host, error) {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := kcp.NewAESGCMCrypt(key)
	if err != nil {
		return nil, err
	}
	l, err := kcp.ListenWithOptions(netip.AddrPortFrom(localhost, 0).String(), block, 0, 0)
	if err != nil {
		return nil, err
	}
	l.SetReadBuffer(socketBuffer)
	l.SetWriteBuffer(socketBuffer)
	return kcpHost{l, hex.EncodeToString(key)}, nil
}

// Dial implements Transport.
func (KCP) Dial(ctx context.Context, to Address, from netip.Addr) (Session, error) {
	key, err := hex.DecodeString(to.Key)
	if err != nil {
		return nil, err
	}
	block, err := kcp.NewAESGCMCrypt(key)
	if err != nil {
		return nil, err
	}
	pc, err := listenUDP(from)
	if err != nil {
		return nil, err
	}
	s, err := kcp.NewConn(to.Addr.String(), block, 0, 0, pc)
	if err != nil {
		pc.Close()
		return nil, err
	}
	turbo(s)
	return greet(ctx, &stream{ReadWriter: s, close: func() error {
		s.Close()
		return pc.Close()
	}})
}

func turbo(s *kcp.UDPSession) {
	s.SetNoDelay(1, 10, 2, 1)
	s.SetWindowSize(kcpWindow, kcpWindow)
	s.SetWriteDelay(false)
}

type kcpHost struct {
	*kcp.Listener
	key string
}

func (h kcpHost) Address() Address { return Address{Addr: portOf(h.Addr()), Key: h.key} }

func (h kcpHost) Accept(ctx context.Context) (Session, error) {
	s, err := h.AcceptKCP()
	if err != nil {
		return nil, err
	}
	turbo(s)
	return welcome(ctx, &stream{ReadWriter: s, close: s.Close})
}
