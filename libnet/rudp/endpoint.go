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
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Endpoint is a UDP socket, at times with further ones, and all their sessions. Its methods may be called from any goroutine.
type Endpoint struct {
	cfg      Config
	id       PeerID
	log      *slog.Logger
	main     *Socket
	start    time.Time     // pings carry times since then
	epoch    time.Duration // start since the Unix epoch
	flights  sync.Pool     // of *flight, each owned by a session's packer until it is written
	counters endpointCounters
	timers   timerQueue
	pacing   *pacing
	gate     gate
	keep     keepalive
	thrift   atomic.Uint32 // see SetThrift
	numbers  atomic.Uint64 // of messages, in the order in which they were sent
	scarce   atomic.Bool   // see SetLine
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
	further     map[*Socket]bool
}

// Listen starts an endpoint on a socket. It takes ownership of pc, also when it fails.
func Listen(pc net.PacketConn, cfg Config) (*Endpoint, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		pc.Close()
		return nil, err
	}
	now := time.Now()
	e := &Endpoint{
		cfg:         cfg,
		id:          cfg.Identity.ID(),
		log:         cfg.Logger,
		start:       now,
		epoch:       time.Duration(now.UnixNano()),
		flights:     sync.Pool{New: func() any { return new(flight) }},
		pacing:      newPacing(time.Duration(now.UnixNano())),
		gate:        newGate(now),
		timers:      timerQueue{wake: make(chan struct{}, 1)},
		accept:      make(chan *Conn, cfg.AcceptBacklog),
		inbound:     make(chan *inbound, maxInbound),
		done:        make(chan struct{}),
		conns:       make(map[connID]*Conn),
		initiations: make(map[initiationKey]*Conn),
		halfOpen:    list.New(),
		further:     make(map[*Socket]bool),
	}
	e.keep.interval.Store(int64(cfg.KeepAlive))
	e.keep.idle.Store(int64(cfg.IdleTimeout))
	if e.main, err = e.newSocket(pc, cfg.OnPacket); err != nil {
		return nil, err
	}
	e.running.Go(func() { e.timers.run(e.done) })
	e.running.Go(e.main.readLoop)
	e.running.Go(e.sendLoop)
	e.running.Go(e.respondLoop)
	return e, nil
}

// ID is the endpoint's own peer id.
func (e *Endpoint) ID() PeerID { return e.id }

// LocalAddr is the address of the first socket; its IP is unspecified when bound to all addresses.
func (e *Endpoint) LocalAddr() netip.AddrPort { return e.main.LocalAddr() }

// Dial opens a session with the peer that holds the key of the given id at addr. It ends with the context,
// after Config.HandshakeTimeout with ErrHandshakeTimeout, or with a *CloseError of CodeBusy.
//
// Each successful Dial is a session of its own: when two peers dial each other at the same time, both
// sessions come to be, and each peer also gets one from Accept.
func (e *Endpoint) Dial(ctx context.Context, addr netip.AddrPort, peer PeerID) (*Conn, error) {
	return e.main.Dial(ctx, addr, peer)
}

func (e *Endpoint) dial(ctx context.Context, to Path, peer PeerID) (*Conn, error) {
	addr := to.Addr
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

	c := newConn(to.plain(), peer, time.Now())
	if err := e.admit(c); err != nil {
		return nil, err
	}
	if to.Socket.dead() {
		c.abandon(ErrSocketClosed)
		return nil, ErrSocketClosed
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

// WriteTo sends a datagram of another protocol, such as STUN, from the endpoint's first socket.
func (e *Endpoint) WriteTo(b []byte, addr netip.AddrPort) (int, error) {
	return e.main.WriteTo(b, addr)
}

// Stats counts what passed the endpoint.
func (e *Endpoint) Stats() EndpointStats {
	s := e.counters.snapshot()
	sock := e.main.sock.Stats()
	s.GSO, s.GRO = sock.GSO, sock.GRO
	e.mu.RLock()
	defer e.mu.RUnlock()
	s.Sessions, s.HalfOpen = e.sessions, e.halfOpen.Len()
	return s
}

// Close tells all peers, closes the sockets and returns when the endpoint's goroutines have ended. Pending
// calls of its methods and its sessions' return.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.running.Wait()
		return nil
	}
	e.closed = true
	conns := e.allConns()
	further := slices.Collect(maps.Keys(e.further))
	e.mu.Unlock()

	for _, c := range conns {
		c.shutdown()
	}
	close(e.done)
	err := e.main.shut()
	for _, s := range further {
		s.shut()
	}
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

// allConns is a copy of the table of sessions. The caller holds e.mu.
func (e *Endpoint) allConns() []*Conn { return slices.Collect(maps.Values(e.conns)) }

func (e *Endpoint) lookup(id connID) *Conn {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.conns[id]
}
