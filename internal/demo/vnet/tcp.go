// SPDX-License-Identifier: GPL-3.0-or-later

package vnet

import (
	"bytes"
	"context"
	"net"
	"sync"
	"syscall"
	"time"
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
	one, other := net.Pipe()
	near, far := newConn(one, from, l.addr), newConn(other, l.addr, from)
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		near.Close()
		far.Close()
		return nil, refused
	case <-ctx.Done():
		near.Close()
		far.Close()
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

// sendBuffer is how many writes a connection holds that the peer has not read;
// further ones wait.
const sendBuffer = 256

// conn is one end of a connection. A pipe alone would have its two ends wait
// for each other where both write before they read.
type conn struct {
	net.Conn
	local, remote *net.TCPAddr
	out           chan []byte
	done          chan struct{}
	once          sync.Once
}

func newConn(pipe net.Conn, local, remote *net.TCPAddr) *conn {
	c := &conn{Conn: pipe, local: local, remote: remote, out: make(chan []byte, sendBuffer), done: make(chan struct{})}
	go c.pump() // ends with Close
	return c
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Write(b []byte) (int, error) {
	select {
	case <-c.done:
		return 0, &net.OpError{Op: "write", Net: "tcp", Addr: c.remote, Err: net.ErrClosed}
	default:
	}
	select {
	case c.out <- bytes.Clone(b):
		return len(b), nil
	case <-c.done:
		return 0, &net.OpError{Op: "write", Net: "tcp", Addr: c.remote, Err: net.ErrClosed}
	}
}

// Close sends what was written before it closes, as TCP does, to a peer that
// reads it within lingerTime.
func (c *conn) Close() error {
	c.once.Do(func() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(lingerTime))
		close(c.done)
	})
	return nil
}

const lingerTime = time.Second

// pump hands what was written to the peer.
func (c *conn) pump() {
	defer c.Conn.Close()
	for {
		select {
		case b := <-c.out:
			if _, err := c.Conn.Write(b); err != nil {
				return
			}
		case <-c.done:
			for len(c.out) > 0 {
				if _, err := c.Conn.Write(<-c.out); err != nil {
					return
				}
			}
			return
		}
	}
}
