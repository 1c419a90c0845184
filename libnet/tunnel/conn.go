// SPDX-License-Identifier: GPL-3.0-or-later

package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// ErrQueueFull is returned by writes while the TCP connection does not keep up: the datagram is lost, as in a router's
// queue.
var ErrQueueFull = errors.New("tunnel: queue full")

// Conn is one end of a tunnel: a net.PacketConn with a single peer. One goroutine may read, any number may write.
type Conn struct {
	ws      *websocket.Conn
	remote  netip.AddrPort
	out     chan *datagram
	dropped atomic.Uint64

	life    context.Context // of reads and writes on ws
	end     context.CancelFunc
	closing chan struct{} // closed when no more is taken for sending
	written chan struct{} // closed when the writer has ended
	done    chan struct{} // closed when all has ended
	close   sync.Once

	idle *time.Timer // makes reads fail; nil: the peer may be silent
}

type datagram struct {
	n int
	b [MaxDatagram]byte
}

var datagrams = sync.Pool{New: func() any { return new(datagram) }}

// newConn runs one end. Its peer goes by the name of remote, whatever the WebSocket's address is. With first above zero,
// a peer must say something by then, and again within idleTimeout.
func newConn(ws *websocket.Conn, remote netip.AddrPort, first time.Duration) *Conn {
	ws.SetReadLimit(MaxDatagram)
	c := &Conn{
		ws: ws, remote: netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()),
		out:     make(chan *datagram, queueSize),
		closing: make(chan struct{}), written: make(chan struct{}), done: make(chan struct{}),
	}
	c.life, c.end = context.WithCancel(context.Background())
	if first > 0 {
		c.idle = time.AfterFunc(first, c.end)
	}
	go c.writeLoop()
	return c
}

// RemoteAddr is the name of the peer: reads give it, and what is written to other addresses is dropped.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// Dropped counts datagrams that met a full queue.
func (c *Conn) Dropped() uint64 { return c.dropped.Load() }

// Done is closed when the tunnel is closed here or has been found broken by a read.
func (c *Conn) Done() <-chan struct{} { return c.done }

// ReadFromUDPAddrPort reads one datagram; what b has no room for is lost. The error matches net.ErrClosed: a tunnel that
// fails once is gone.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, err := c.read(b)
		if err != nil {
			c.Close()
			return 0, netip.AddrPort{}, &net.OpError{Op: "read", Net: "tunnel", Err: errors.Join(net.ErrClosed, err)}
		}
		if n > 0 {
			return n, c.remote, nil
		}
	}
}

func (c *Conn) read(b []byte) (int, error) {
	kind, body, err := c.ws.Reader(c.life)
	if err != nil {
		return 0, err
	}
	if kind != websocket.MessageBinary {
		return 0, errors.New("a text message")
	}
	n, err := io.ReadFull(body, b)
	if err == nil { // b is full
		_, err = io.Copy(io.Discard, body)
	}
	if c.idle != nil {
		c.idle.Reset(idleTimeout)
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

// ReadFrom is ReadFromUDPAddrPort for net.PacketConn.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	return n, addr{from}, err
}

// WriteToUDPAddrPort takes a datagram for sending; it never waits. Errors: ErrQueueFull, or one that matches
// net.ErrClosed.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	switch {
	case len(b) > MaxDatagram:
		return 0, errors.New("tunnel: datagram too long")
	case to != c.remote:
		return 0, errors.New("tunnel: it leads to one peer only")
	}
	d := datagrams.Get().(*datagram)
	d.n = copy(d.b[:], b)
	select {
	case <-c.closing:
		datagrams.Put(d)
		return 0, &net.OpError{Op: "write", Net: "tunnel", Err: net.ErrClosed}
	default:
	}
	select {
	case c.out <- d:
		return len(b), nil
	default:
		datagrams.Put(d)
		c.dropped.Add(1)
		return 0, ErrQueueFull
	}
}

// WriteTo is WriteToUDPAddrPort for net.PacketConn.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	var ap netip.AddrPort
	if a, ok := to.(interface{ AddrPort() netip.AddrPort }); ok {
		ap = a.AddrPort()
	}
	return c.WriteToUDPAddrPort(b, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
}

// writeLoop sends until the tunnel is closed, and then what still waits.
func (c *Conn) writeLoop() {
	defer close(c.written)
	for {
		select {
		case d := <-c.out:
			if c.send(d) != nil {
				return // the reader finds out, too
			}
		case <-c.closing:
			for len(c.out) > 0 {
				if c.send(<-c.out) != nil {
					return
				}
			}
			return
		}
	}
}

func (c *Conn) send(d *datagram) error {
	err := c.ws.Write(c.life, websocket.MessageBinary, d.b[:d.n])
	datagrams.Put(d)
	return err
}

// Close lets what was written leave for a moment, closes the connection and returns when nothing of it runs any more.
func (c *Conn) Close() error {
	c.close.Do(func() {
		if c.idle != nil {
			c.idle.Stop()
		}
		close(c.closing)
		linger := time.AfterFunc(lingerTimeout, c.end)
		<-c.written
		linger.Stop()
		c.end()
		_ = c.ws.CloseNow() // says only that the peer was first
		close(c.done)
	})
	<-c.done
	return nil
}

// LocalAddr is unspecified: a tunnel has no address of its own.
func (c *Conn) LocalAddr() net.Addr { return addr{netip.AddrPortFrom(netip.IPv4Unspecified(), 0)} }

// SetDeadline fails with os.ErrNoDeadline, as the other two do: Close ends a read.
func (c *Conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline fails.
func (c *Conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline fails.
func (c *Conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// addr is a peer's name as a net.Addr.
type addr struct{ name netip.AddrPort }

func (addr) Network() string            { return "tunnel" }
func (a addr) String() string           { return a.name.String() }
func (a addr) AddrPort() netip.AddrPort { return a.name }
