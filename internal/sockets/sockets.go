// SPDX-License-Identifier: GPL-3.0-or-later

// Package sockets is where a role takes its sockets from: the machine that it
// runs on, or a network that is simulated in its process.
package sockets

import (
	"context"
	"net"
)

// Network opens sockets. Addresses are those of package net.
type Network interface {
	// ListenPacket binds a UDP socket. An empty address means any free port
	// on all interfaces.
	ListenPacket(address string) (net.PacketConn, error)
	// Listen binds a TCP socket.
	Listen(address string) (net.Listener, error)
	// Dial opens a TCP connection. Its form is that of net.Dialer.DialContext;
	// network is always "tcp".
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Or returns n, or the machine's own network when n is nil.
func Or(n Network) Network {
	if n == nil {
		return system{}
	}
	return n
}

type system struct{}

func (system) ListenPacket(address string) (net.PacketConn, error) {
	if address == "" {
		address = ":0"
	}
	return net.ListenPacket("udp", address)
}

func (system) Listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }

func (system) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}
