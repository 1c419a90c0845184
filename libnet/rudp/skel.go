// SPDX-License-Identifier: GPL-3.0-or-later

// Package rudp gives reliable, encrypted sessions over UDP, many on one socket, each with channels that do
// not block one another.
package rudp

import (
	"context"
	"net"
	"net/netip"
)

const (
	dataHeaderLen     = 17
	tagLen            = 16
	segmentsHeaderLen = 3
	kcpHeaderLen      = 24
)

// Endpoint is one UDP socket with all its sessions.
type Endpoint struct{ counters endpointCounters }

func Listen(pc net.PacketConn, cfg Config) (*Endpoint, error) { return nil, ErrEndpointClosed }
func (e *Endpoint) Dial(ctx context.Context, addr netip.AddrPort, peer PeerID) (*Conn, error) {
	return nil, ErrEndpointClosed
}
func (e *Endpoint) Accept(ctx context.Context) (*Conn, error)          { return nil, ErrEndpointClosed }
func (e *Endpoint) WriteTo(b []byte, addr netip.AddrPort) (int, error) { return 0, ErrEndpointClosed }
func (e *Endpoint) LocalAddr() netip.AddrPort                          { return netip.AddrPort{} }
func (e *Endpoint) ID() PeerID                                         { return PeerID{} }
func (e *Endpoint) Stats() EndpointStats                               { return e.counters.snapshot() }
func (e *Endpoint) Close() error                                       { return nil }

// ChannelID names a channel of a session; both sides just use the same number.
type ChannelID uint16

// Message is one message with the channel it came by. Data is the caller's to keep.
type Message struct {
	Channel ChannelID
	Data    []byte
}

// Level is how eagerly a channel sends.
type Level uint8

const (
	Normal Level = iota
	Fast
	Slow
)

// Conn is a session with one peer.
type Conn struct{}

func (c *Conn) Channel(id ChannelID) *Channel                  { return nil }
func (c *Conn) Recv(ctx context.Context) (Message, error)      { return Message{}, ErrEndpointClosed }
func (c *Conn) Peer() PeerID                                   { return PeerID{} }
func (c *Conn) RemoteAddr() netip.AddrPort                     { return netip.AddrPort{} }
func (c *Conn) Done() <-chan struct{}                          { return nil }
func (c *Conn) Err() error                                     { return nil }
func (c *Conn) Stats() ConnStats                               { return ConnStats{} }
func (c *Conn) Close(reason string) error                      { return nil }
func (c *Conn) CloseWithCode(code uint16, reason string) error { return nil }

// Channel is one ordered stream of messages in a session.
type Channel struct{}

func (ch *Channel) ID() ChannelID                              { return 0 }
func (ch *Channel) Conn() *Conn                                { return nil }
func (ch *Channel) Send(ctx context.Context, msg []byte) error { return nil }
func (ch *Channel) TrySend(msg []byte) error                   { return nil }
func (ch *Channel) Recv(ctx context.Context) ([]byte, error)   { return nil, nil }
func (ch *Channel) Flush(ctx context.Context) error            { return nil }
func (ch *Channel) SetLevel(l Level)                           {}
