// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Conn is a UDP socket of a Host. Beside net.PacketConn it has the methods of net.UDPConn
// that spare allocations.
type Conn struct {
	host  *Host
	local netip.AddrPort
	laddr *net.UDPAddr

	closed chan struct{}
	ready  chan struct{} // capacity 1: the receive queue may have something

	// The network's mutex guards what follows.
	gone          bool
	queue         fifo // the receive queue
	queued, limit int  // bytes with readOverhead
	readDeadline  time.Time
	writeDeadline time.Time
	moved         chan struct{} // closed and replaced when readDeadline changes
}

var _ net.PacketConn = (*Conn)(nil)

func newConn(h *Host, port uint16) *Conn {
	local := netip.AddrPortFrom(h.addr, port)
	return &Conn{
		host:   h,
		local:  local,
		laddr:  net.UDPAddrFromAddrPort(local),
		closed: make(chan struct{}),
		ready:  make(chan struct{}, 1),
		moved:  make(chan struct{}),
		limit:  defaultReadBuffer,
	}
}

// LocalAddr is a *net.UDPAddr.
func (c *Conn) LocalAddr() net.Addr { return c.laddr }

// ReadFrom waits for a datagram. What does not fit into b is cut off, as with UDP. Errors match
// net.ErrClosed or os.ErrDeadlineExceeded.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is ReadFrom without an allocation for the address.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		p, deadline, moved, err := c.take()
		if err != nil {
			return 0, netip.AddrPort{}, c.opError("read", nil, err)
		}
		if p != nil {
			n, from := copy(b, p.payload), p.src
			p.release()
			return n, from, nil
		}
		c.wait(deadline, moved)
	}
}

// TryRead is ReadFromUDPAddrPort for what is there already; false: nothing is.
func (c *Conn) TryRead(b []byte) (int, netip.AddrPort, bool) {
	p, _, _, err := c.take()
	if err != nil || p == nil {
		return 0, netip.AddrPort{}, false
	}
	n, from := copy(b, p.payload), p.src
	p.release()
	return n, from, true
}

// take returns the next datagram, or nil and what may end the wait for it.
func (c *Conn) take() (p *packet, deadline time.Time, moved <-chan struct{}, err error) {
	n := c.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.gone {
		return nil, deadline, nil, net.ErrClosed
	}
	if passed(c.readDeadline) {
		return nil, deadline, nil, os.ErrDeadlineExceeded
	}
	n.runUntil(n.now())
	return c.dequeue(), c.readDeadline, c.moved, nil
}

// wait blocks until there may be something to read or a reason to give up.
func (c *Conn) wait(deadline time.Time, moved <-chan struct{}) {
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-c.ready:
	case <-c.closed:
	case <-moved:
	case <-expired:
	}
}

// WriteTo sends a datagram to a *net.UDPAddr. It never blocks, and tells as little about the
// datagram's fate as UDP does. Errors match net.ErrClosed, os.ErrDeadlineExceeded or
// syscall.EMSGSIZE.
func (c *Conn) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", addr, fmt.Errorf("%T is not a *net.UDPAddr", addr))
	}
	return c.WriteToUDPAddrPort(b, to.AddrPort())
}

// WriteToUDPAddrPort is WriteTo without a net.Addr.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.WriteToTTL(b, to, defaultTTL)
}

// WriteToTTL is WriteToUDPAddrPort for a datagram that passes less than ttl routers: each NAT is one, the
// network's core is 8.
func (c *Conn) WriteToTTL(b []byte, to netip.AddrPort, ttl int) (int, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if !to.IsValid() || to.Port() == 0 {
		return 0, c.opError("write", net.UDPAddrFromAddrPort(to), syscall.EINVAL)
	}
	if len(b) > maxDatagram {
		return 0, c.opError("write", net.UDPAddrFromAddrPort(to), syscall.EMSGSIZE)
	}
	if err := c.send(b, to, ttl); err != nil {
		return 0, c.opError("write", net.UDPAddrFromAddrPort(to), err)
	}
	return len(b), nil
}

func (c *Conn) send(b []byte, to netip.AddrPort, ttl int) error {
	n := c.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.gone {
		return net.ErrClosed
	}
	if passed(c.writeDeadline) {
		return os.ErrDeadlineExceeded
	}
	now := n.now()
	n.runUntil(now)
	c.host.send(c, to, b, ttl, now)
	return nil
}

// Close frees the port and drops what was not read. Reads and writes end with net.ErrClosed.
func (c *Conn) Close() error {
	n := c.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.gone {
		return c.opError("close", nil, net.ErrClosed)
	}
	n.runUntil(n.now())
	c.shut()
	return nil
}

// shut is Close with the network's mutex held.
func (c *Conn) shut() {
	c.gone = true
	close(c.closed)
	delete(c.host.conns, c.local.Port())
	for p := c.dequeue(); p != nil; p = c.dequeue() {
		p.release()
	}
}

// SetDeadline sets the read and the write deadline. The zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.readDeadline, &c.writeDeadline)
}

// SetReadDeadline applies to waiting and future reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readDeadline) }

// SetWriteDeadline applies to future writes; none ever waits.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeDeadline) }

func (c *Conn) setDeadlines(t time.Time, which ...*time.Time) error {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	if c.gone {
		return c.opError("set", nil, net.ErrClosed)
	}
	for _, d := range which {
		*d = t
	}
	close(c.moved)
	c.moved = make(chan struct{})
	return nil
}

// SetReadBuffer bounds the receive queue, in bytes; what it holds already stays. A datagram
// counts its payload and 64 bytes. The default is 208 KiB.
func (c *Conn) SetReadBuffer(bytes int) error {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	if c.gone {
		return c.opError("set", nil, net.ErrClosed)
	}
	c.limit = min(max(bytes, 0), maxQueue)
	return nil
}

// enqueue takes p into the receive queue; false: it does not fit.
func (c *Conn) enqueue(p *packet) bool {
	size := len(p.payload) + readOverhead
	if c.queued+size > c.limit {
		return false
	}
	c.queued += size
	c.queue.push(p)
	c.signal()
	return true
}

// dequeue returns the next datagram, nil if there is none.
func (c *Conn) dequeue() *packet {
	p := c.queue.pop()
	if p == nil {
		return nil
	}
	c.queued -= len(p.payload) + readOverhead
	if !c.queue.empty() {
		c.signal() // another reader may be waiting
	}
	return p
}

func (c *Conn) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

func (c *Conn) opError(op string, to net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.laddr, Addr: to, Err: err}
}

func passed(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}
