// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"p2plive/libnet/udp"
)

// Socket is one of the sockets of an endpoint: the one of Listen, or a further one of AddSocket. Its methods may be
// called from any goroutine.
type Socket struct {
	ep       *Endpoint
	sock     *udp.Socket
	onPacket func(b []byte, from netip.AddrPort)
	done     chan struct{} // closed when reading has ended
	closing  sync.Once
	closed   error // of closing
}

// Path is the way of a session's datagrams: from a socket of ours to an address of the peer.
type Path struct {
	Socket *Socket
	Addr   netip.AddrPort
}

// SocketConfig of a further socket.
type SocketConfig struct {
	// OnPacket is for this socket what Config.OnPacket is for the first. Default: such datagrams are counted and
	// dropped.
	OnPacket func(b []byte, from netip.AddrPort)
}

// AddSocket lets sessions use a further socket, or what looks like one, as a tunnel does: to be dialled from, to be
// moved to, and to be reached at. It takes ownership of pc, also when it fails, and closes it when the endpoint is
// closed. Errors match ErrEndpointClosed or ErrTooManySockets.
func (e *Endpoint) AddSocket(pc net.PacketConn, cfg SocketConfig) (*Socket, error) {
	s, err := e.newSocket(pc, cfg.OnPacket)
	if err != nil {
		return nil, err
	}
	if err := e.own(s); err != nil {
		pc.Close()
		return nil, err
	}
	return s, nil
}

// newSocket makes a socket that nobody reads yet.
func (e *Endpoint) newSocket(pc net.PacketConn, onPacket func([]byte, netip.AddrPort)) (*Socket, error) {
	sock, err := udp.NewConfig(pc, udp.Config{NoOffload: e.cfg.NoOffload})
	if err != nil {
		pc.Close()
		return nil, fmt.Errorf("rudp: %w", err)
	}
	return &Socket{ep: e, sock: sock, onPacket: onPacket, done: make(chan struct{})}, nil
}

// own starts to read a further socket.
func (e *Endpoint) own(s *Socket) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrEndpointClosed
	}
	if len(e.further) >= maxSockets {
		return ErrTooManySockets
	}
	e.further[s] = true
	e.running.Go(s.readLoop)
	return nil
}

// Socket is the endpoint's first socket, the one of Listen.
func (e *Endpoint) Socket() *Socket { return e.main }

// LocalAddr is the address that the socket is bound to.
func (s *Socket) LocalAddr() netip.AddrPort { return s.sock.LocalAddr() }

// Done is closed when the socket is read no more: it is closed, or has failed as closed ones do.
func (s *Socket) Done() <-chan struct{} { return s.done }

// Close closes a further socket and returns when it is no longer read. Sessions whose path it is end with
// ErrSocketClosed. The endpoint's first socket is closed by the endpoint alone: for it Close does nothing.
func (s *Socket) Close() error {
	if s == s.ep.main {
		return nil
	}
	err := s.shut()
	<-s.done
	return err
}

func (s *Socket) shut() error {
	s.closing.Do(func() { s.closed = s.sock.Close() })
	return s.closed
}

// dead tells whether the socket is read no more.
func (s *Socket) dead() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Dial is Endpoint.Dial from this socket.
func (s *Socket) Dial(ctx context.Context, addr netip.AddrPort, peer PeerID) (*Conn, error) {
	c, err := s.ep.dial(ctx, Path{s, addr}, peer)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	s.ep.counters.dialed.Add(1)
	return c, nil
}

// WriteTo sends a datagram of another protocol, such as STUN.
func (s *Socket) WriteTo(b []byte, addr netip.AddrPort) (int, error) {
	if !foreign(b) {
		return 0, errors.New("rudp: the first byte of the datagram belongs to this protocol")
	}
	if err := s.write([]udp.Message{{Buf: b, Addr: addr}}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// write sends datagrams and counts them.
func (s *Socket) write(ms []udp.Message) error {
	bytes := 0
	for _, m := range ms {
		bytes += len(m.Buf)
	}
	n, err := s.sock.WriteBatch(ms)
	counters := &s.ep.counters
	counters.datagramsOut.Add(uint64(n))
	counters.bytesOut.Add(uint64(bytes))
	counters.writeErrors.Add(uint64(len(ms) - n))
	return err
}

// writeOne sends one datagram. A refusal by the socket is a loss like others.
func (s *Socket) writeOne(b []byte, to netip.AddrPort) {
	s.write([]udp.Message{{Buf: b, Addr: to}})
}

// writeWhole sends one datagram that must not be fragmented.
func (s *Socket) writeWhole(b []byte, to netip.AddrPort) error {
	err := s.sock.WriteWhole(b, to)
	if err != nil {
		s.ep.counters.writeErrors.Add(1)
		return err
	}
	s.ep.counters.datagramsOut.Add(1)
	s.ep.counters.bytesOut.Add(uint64(len(b)))
	return nil
}

// readLoop reads until the socket is closed.
func (s *Socket) readLoop() {
	r := &reader{Socket: s}
	batch := make([]udp.Message, readBatch)
	for {
		n, err := s.sock.ReadBatch(batch)
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			// Some systems report here that an earlier datagram met no listener; reading goes on.
			s.ep.log.Debug("read failed", slog.Any("error", err))
			if !s.ep.pause(readErrorPause) {
				break
			}
			continue
		}
		r.endBatch(r.takeAll(batch, n))
	}
	close(s.done)
	s.ep.disown(s)
}

// disown ends the sessions that have lost their path with a further socket.
func (e *Endpoint) disown(s *Socket) {
	e.mu.Lock()
	if e.closed || s == e.main {
		e.mu.Unlock()
		return
	}
	delete(e.further, s)
	conns := e.allConns()
	e.mu.Unlock()
	s.shut()
	for _, c := range conns {
		c.strand(s)
	}
}

// strand ends a session whose path begins at a socket that is gone.
func (c *Conn) strand(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path.Socket == s {
		c.end(ErrSocketClosed)
	}
}
