// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// First byte of a message of a NetConn.
const (
	streamData = 0
	streamEnd  = 1 // nothing follows
)

// netConn makes a channel a net.Conn: a stream of bytes in messages.
type netConn struct {
	ch          *Channel
	read, write deadline
	stop        context.CancelCauseFunc

	readMu sync.Mutex
	msg    []byte // the newest message
	rest   []byte // of it
	end    error  // after rest

	writeMu sync.Mutex
	buffer  []byte
}

// NetConn makes the channel a stream of bytes. The other side must do the same; a channel that is a stream must not
// be used otherwise, nor be made one twice.
//
// Close tells the peer, whose Read gives io.EOF after all that was written, and leaves the session as it is; it waits
// up to a second while the send queue is full. What is still on its way to a closed stream is never read: the peer's Write
// then blocks until its deadline, unless it has seen the end.
func (ch *Channel) NetConn() net.Conn {
	ctx, stop := context.WithCancelCause(context.Background())
	c := &netConn{ch: ch, stop: stop}
	c.read.base, c.write.base = ctx, ctx
	return c
}

func (c *netConn) Read(b []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	ctx := c.read.context()
	if ctx.Err() != nil {
		return 0, c.failed("read", context.Cause(ctx))
	}
	for len(c.rest) == 0 {
		if len(b) == 0 {
			return 0, nil
		}
		if c.end != nil {
			return 0, c.end
		}
		msg, err := c.ch.Recv(ctx)
		switch {
		case err != nil:
			return 0, c.failed("read", err)
		case msg[0] == streamData:
			c.msg, c.rest = msg, msg[1:]
		default:
			c.end = io.EOF
		}
	}
	n := copy(b, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		Recycle(c.msg)
		c.msg, c.rest = nil, nil
	}
	return n, nil
}

func (c *netConn) Write(b []byte) (n int, err error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	for {
		ctx := c.write.context()
		if ctx.Err() != nil {
			return n, c.failed("write", context.Cause(ctx))
		}
		if len(b) == 0 {
			return n, nil
		}
		part := b[:min(len(b), streamMessage-1)]
		c.buffer = append(append(c.buffer[:0], streamData), part...)
		if err := c.ch.Send(ctx, c.buffer); err != nil {
			return n, c.failed("write", err)
		}
		n, b = n+len(part), b[len(part):]
	}
}

func (c *netConn) Close() error {
	if context.Cause(c.read.base) != nil {
		return nil
	}
	c.stop(net.ErrClosed) // Read and Write that wait return
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), streamLinger)
	defer cancel()
	if err := c.ch.Send(ctx, []byte{streamEnd}); err != nil && c.ch.conn.Err() == nil {
		return c.failed("close", err)
	}
	return nil
}

// failed makes an error what users of net.Conn expect.
func (c *netConn) failed(op string, err error) error {
	var end *CloseError
	if op == "read" && errors.As(err, &end) && end.Remote && end.Code == CodeNormal {
		return io.EOF
	}
	return &net.OpError{Op: op, Net: "rudp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *netConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.ch.conn.ep.LocalAddr()) }

func (c *netConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.ch.conn.RemoteAddr()) }

func (c *netConn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

func (c *netConn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

func (c *netConn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}

// deadline gives contexts that end at a time which may change while they are used.
type deadline struct {
	base context.Context // ends with the stream

	mu     sync.Mutex
	ctx    context.Context // nil: made when needed
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.contextLocked()
}

func (d *deadline) contextLocked() context.Context {
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancelCause(d.base)
	}
	return d.ctx
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.contextLocked().Err() != nil && d.base.Err() == nil {
		d.ctx = nil // has expired: calls from now on have a new deadline
		d.contextLocked()
	}
	if t.IsZero() {
		return
	}
	cancel := d.cancel
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { cancel(os.ErrDeadlineExceeded) })
	} else {
		cancel(os.ErrDeadlineExceeded)
	}
}
