// SPDX-License-Identifier: GPL-3.0-or-later

package vnet

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// switchboard connects TCP sockets in memory, without delay: only the
// signalling to the tracker uses them, a few messages for each viewer.
type switchboard struct {
	mu        sync.Mutex
	listeners map[string]*listener
}

// listener is a listening socket.
type listener struct {
	board *switchboard
	addr  *net.TCPAddr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (b *switchboard) listen(addr *net.TCPAddr) (net.Listener, error) {
	l := &listener{board: b, addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners[addr.String()] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr, Err: syscall.EADDRINUSE}
	}
	b.listeners[addr.String()] = l
	return l, nil
}

// dial connects a host to a listener, once that accepts.
func (b *switchboard) dial(ctx context.Context, from *net.TCPAddr, to string) (net.Conn, error) {
	b.mu.Lock()
	l := b.listeners[to]
	b.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Source: from, Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	near, far := net.Pipe()
	select {
	case l.conns <- &conn{far, l.addr, from}:
		return &conn{near, from, l.addr}, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "tcp", Source: from, Addr: l.addr, Err: ctx.Err()}
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.board.mu.Lock()
		defer l.board.mu.Unlock()
		delete(l.board.listeners, l.addr.String())
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// conn is one end of a connection.
type conn struct {
	net.Conn
	local, remote *net.TCPAddr
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }
