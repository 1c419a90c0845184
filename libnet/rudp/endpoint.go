// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"p2plive/libnet/udp"
)

// Endpoint is one UDP socket with all its sessions. Its methods may be called from any goroutine.
type Endpoint struct {
	cfg      Config
	id       PeerID
	log      *slog.Logger
	sock     *udp.Socket
	start    time.Time     // pings carry times since then
	epoch    time.Duration // start since the Unix epoch
	flights  sync.Pool     // of *flight, each owned by a session's packer until it is written
	counters endpointCounters
	timers   timerQueue
	pacing   *pacing
	accept   chan *Conn
	inbound  chan *inbound // initiations for the responder
	done     chan struct{}
	running  sync.WaitGroup

	// mu may be taken while holding a Conn's mu, never the other way round.
	mu          sync.RWMutex
	closed      bool
	conns       map[connID]*Conn
	initiations map[initiationKey]*Conn // answered ones with their sessions; nil: not answered yet
	halfOpen    *list.List              // of *Conn, oldest first
	sessions    int                     // dialled, being dialled or accepted
}

// Listen starts an endpoint on a socket. It takes ownership of pc, also when it fails.
func Listen(pc net.PacketConn, cfg Config) (*Endpoint, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		pc.Close()
		return nil, err
	}
	sock, err := udp.NewConfig(pc, udp.Config{NoOffload: cfg.NoOffload})
	if err != nil {
		pc.Close()
		return nil, fmt.Errorf("rudp: %w", err)
	}
	now := time.Now()
	e := &Endpoint{
		cfg:         cfg,
		id:          cfg.Identity.ID(),
		log:         cfg.Logger,
		sock:        sock,
		start:       now,
		epoch:       time.Duration(now.UnixNano()),
		flights:     sync.Pool{New: func() any { return new(flight) }},
		pacing:      newPacing(time.Duration(now.UnixNano())),
		timers:      timerQueue{wake: make(chan struct{}, 1)},
		accept:      make(chan *Conn, cfg.AcceptBacklog),
		inbound:     make(chan *inbound, maxInbound),
		done:        make(chan struct{}),
		conns:       make(map[connID]*Conn),
		initiations: make(map[initiationKey]*Conn),
		halfOpen:    list.New(),
	}
	e.running.Go(func() { e.timers.run(e.done) })
	e.running.Go(e.readLoop)
	e.running.Go(e.sendLoop)
	e.running.Go(e.respondLoop)
	return e, nil
}

// ID is the endpoint's own peer id.
func (e *Endpoint) ID() PeerID { return e.id }

// LocalAddr is the address of the socket; its IP is unspecified when bound to all addresses.
func (e *Endpoint) LocalAddr() netip.AddrPort { return e.sock.LocalAddr() }

// Dial opens a session with the peer that holds the key of the given id at addr. It ends with the context,
// after Config.HandshakeTimeout with ErrHandshakeTimeout, or with a *CloseError of CodeBusy.
//
// Each successful Dial is a session of its own: when two peers dial each other at the same time, both
// sessions come to be, and each peer also gets one from Accept.
func (e *Endpoint) Dial(ctx context.Context, addr netip.AddrPort, peer PeerID) (*Conn, error) {
	c, err := e.dial(ctx, addr, peer)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	e.counters.dialed.Add(1)
	return c, nil
}

func (e *Endpoint) dial(ctx context.Context, addr netip.AddrPort, peer PeerID) (*Conn, error) {
	if !addr.IsValid() || addr.Port() == 0 {
		return nil, errors.New("invalid address")
	}
	if !usablePoint(peer[:]) {
		return nil, errors.New("invalid peer id")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, e.cfg.HandshakeTimeout, ErrHandshakeTimeout)
	defer cancel()

	c := newConn(e, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), peer, time.Now())
	if err := e.admit(c); err != nil {
		return nil, err
	}
	if err := c.startDial(time.Now()); err != nil {
		c.abandon(err)
		return nil, err
	}
	e.counters.handshakesOut.Add(1)
	err := c.awaitResponse(limited)
	if err == nil {
		return c, nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", ErrHandshakeTimeout, err)
	}
	c.abandon(err)
	return nil, err
}

// Accept gives the next session that a peer has opened. Its initiator has proved to hold its key and to
// receive at its address.
func (e *Endpoint) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-e.accept:
		return c, nil
	default:
	}
	select {
	case c := <-e.accept:
		return c, nil
	case <-e.done:
		return nil, ErrEndpointClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// WriteTo sends a datagram of another protocol, such as STUN, from the endpoint's socket.
func (e *Endpoint) WriteTo(b []byte, addr netip.AddrPort) (int, error) {
	if !foreign(b) {
		return 0, errors.New("rudp: the first byte of the datagram belongs to this protocol")
	}
	if err := e.write([]udp.Message{{Buf: b, Addr: addr}}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// write sends datagrams and counts them.
func (e *Endpoint) write(ms []udp.Message) error {
	bytes := 0
	for _, m := range ms {
		bytes += len(m.Buf)
	}
	n, err := e.sock.WriteBatch(ms)
	e.counters.datagramsOut.Add(uint64(n))
	e.counters.bytesOut.Add(uint64(bytes))
	e.counters.writeErrors.Add(uint64(len(ms) - n))
	return err
}

// Stats counts what passed the endpoint.
func (e *Endpoint) Stats() EndpointStats {
	s := e.counters.snapshot()
	e.mu.RLock()
	defer e.mu.RUnlock()
	s.Sessions, s.HalfOpen = e.sessions, e.halfOpen.Len()
	return s
}

// Close tells all peers, closes the socket and returns when the endpoint's goroutines have ended. Pending
// calls of its methods and its sessions' return.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.running.Wait()
		return nil
	}
	e.closed = true
	conns := make([]*Conn, 0, len(e.conns))
	for _, c := range e.conns {
		conns = append(conns, c)
	}
	e.mu.Unlock()

	for _, c := range conns {
		c.shutdown()
	}
	close(e.done)
	err := e.sock.Close()
	e.running.Wait()
	e.mu.Lock()
	clear(e.initiations) // those that the responder never came to
	e.mu.Unlock()
	return err
}

// admit registers a session that is being dialled.
func (e *Endpoint) admit(c *Conn) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrEndpointClosed
	}
	if e.sessions >= e.cfg.MaxSessions {
		return ErrTooManySessions
	}
	e.sessions++
	c.counted = true
	e.register(c)
	return nil
}

// register gives the session a connection id of its own. The caller holds e.mu.
func (e *Endpoint) register(c *Conn) {
	for {
		var b [8]byte
		rand.Read(b[:])
		c.local = connID(binary.BigEndian.Uint64(b[:]))
		if _, taken := e.conns[c.local]; !taken && c.local != 0 {
			e.conns[c.local] = c
			return
		}
	}
}

// admitHalfOpen registers a session whose initiator has not proved itself, and gives the one that had to
// go for it, if any.
func (e *Endpoint) admitHalfOpen(c *Conn) (evicted *Conn, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrEndpointClosed
	}
	if e.sessions >= e.cfg.MaxSessions {
		return nil, ErrTooManySessions
	}
	if e.halfOpen.Len() >= maxHalfOpen {
		evicted = e.halfOpen.Front().Value.(*Conn)
	}
	e.register(c)
	c.half = e.halfOpen.PushBack(c)
	return evicted, nil
}

// promote counts a session whose initiator has proved itself and hands it to Accept.
func (e *Endpoint) promote(c *Conn) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrEndpointClosed
	}
	if e.sessions >= e.cfg.MaxSessions {
		return ErrTooManySessions
	}
	if len(e.accept) == cap(e.accept) {
		return errBacklog
	}
	e.dropHalfOpen(c)
	e.sessions++
	c.counted = true
	e.counters.accepted.Add(1)
	e.accept <- c // does not block: all who send hold e.mu
	return nil
}

var errBacklog = errors.New("accept backlog full")

func (e *Endpoint) dropHalfOpen(c *Conn) {
	if c.half != nil {
		e.halfOpen.Remove(c.half)
		c.half = nil
	}
}

// release takes a closed session out of the counts; it may still linger to repeat its farewell.
func (e *Endpoint) release(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropHalfOpen(c)
	if c.counted {
		c.counted = false
		e.sessions--
	}
}

// forget removes a session from all tables.
func (e *Endpoint) forget(c *Conn) {
	e.release(c)
	e.mu.Lock()
	delete(e.conns, c.local)
	if e.initiations[c.initiation] == c {
		delete(e.initiations, c.initiation)
	}
	e.mu.Unlock()
	e.timers.remove(c)
}

func (e *Endpoint) lookup(id connID) *Conn {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.conns[id]
}
