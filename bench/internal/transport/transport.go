// SPDX-License-Identifier: GPL-3.0-or-later

// Package transport gives the protocols that are compared one shape: a host accepts sessions from guests,
// and either side sends messages of one size on them.
package transport

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
)

// Transport is one protocol, set up as its users do.
type Transport interface {
	// Name is what the table calls it.
	Name() string
	// Listen opens a host on a free port of 127.0.0.1.
	Listen() (Host, error)
	// Dial opens a session with a host from a source address of its own, and returns when the host has it.
	Dial(ctx context.Context, to Address, from netip.Addr) (Session, error)
}

// Address is what a guest must know of a host.
type Address struct {
	Addr netip.AddrPort
	Key  string // a peer id, a shared key or a certificate
}

// Host accepts sessions on one socket.
type Host interface {
	Address() Address
	// Accept gives the next session, greeted.
	Accept(ctx context.Context) (Session, error)
	io.Closer
}

// Session is a reliable, ordered flow of messages. One goroutine may send and one receive.
type Session interface {
	// Send waits while the transport has no room.
	Send(ctx context.Context, message []byte) error
	// Receive gives the next message of the given size. It is valid until the next call.
	Receive(ctx context.Context, size int) ([]byte, error)
	io.Closer
}

// hello is a guest's first message, and the host's answer: with some transports the host sees a session only
// when data comes, and guests that do not wait for it overrun its queue.
var hello = []byte("hello, bench")

var all = []Transport{RUDP{}, QUIC{}, KCP{}, TLS{}, HTTP{}}

// Named finds a transport.
func Named(name string) (Transport, error) {
	i := slices.IndexFunc(all, func(t Transport) bool { return t.Name() == name })
	if i < 0 {
		return nil, fmt.Errorf("no transport %q", name)
	}
	return all[i], nil
}

// Names are all transports.
func Names() []string {
	var names []string
	for _, t := range all {
		names = append(names, t.Name())
	}
	return names
}

// stream makes a Session of a byte stream: all messages have the size that the receiver asks for.
type stream struct {
	io.ReadWriter
	close func() error
	buf   []byte
}

func (s *stream) Send(_ context.Context, message []byte) error {
	_, err := s.Write(message)
	return err
}

func (s *stream) Receive(_ context.Context, size int) ([]byte, error) {
	if len(s.buf) < size {
		s.buf = make([]byte, size)
	}
	_, err := io.ReadFull(s, s.buf[:size])
	return s.buf[:size], err
}

func (s *stream) Close() error { return s.close() }

// greet is a guest's part of the greeting.
func greet(ctx context.Context, s Session) (Session, error) {
	err := s.Send(ctx, hello)
	if err == nil {
		_, err = s.Receive(ctx, len(hello))
	}
	return closeOn(err, s)
}

// welcome is the host's part.
func welcome(ctx context.Context, s Session) (Session, error) {
	_, err := s.Receive(ctx, len(hello))
	if err == nil {
		err = s.Send(ctx, hello)
	}
	return closeOn(err, s)
}

func closeOn(err error, s Session) (Session, error) {
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("greeting: %w", err)
	}
	return s, nil
}

// socketBuffer is asked for each UDP socket that the transport does not size itself, as rudp and quic-go do.
const socketBuffer = 4 << 20

func listenUDP(ip netip.Addr) (*net.UDPConn, error) {
	pc, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return nil, err
	}
	pc.SetReadBuffer(socketBuffer)
	pc.SetWriteBuffer(socketBuffer)
	return pc, nil
}

var localhost = netip.MustParseAddr("127.0.0.1")

func portOf(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }
