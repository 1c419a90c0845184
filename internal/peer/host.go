// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"p2plive/internal/sockets"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
	"p2plive/libnet/nat/portmap"
	"p2plive/libnet/rudp"
)

// Errors of hosts.
var (
	ErrJoined     = errors.New("already in this stream's swarm")
	ErrNotInSwarm = errors.New("not in this stream's swarm")
	ErrEdgeOnly   = errors.New("this peer takes the stream from edges only")
)

// HostConfig is what a host needs.
type HostConfig struct {
	Conn     net.PacketConn // owned by the host from now on
	Identity rudp.Identity
	// Admit decides whether a peer that has connected may join a swarm, by
	// the ticket in its Hello. It returns the role that the peer has by right.
	Admit func(peer wire.PeerID, hello *wire.Hello) (wire.Role, error)
	// Open is asked for a stream that the host has not joined; an edge joins
	// it there and then. Nil means that such peers are refused.
	Open func(peer wire.PeerID, hello *wire.Hello, role wire.Role) (*Swarm, error)
	// Profile of the host's line: rudp.Home (default) or rudp.Server.
	Profile rudp.Profile
	// Network is where Listen binds; default: this machine's.
	Network sockets.Network
	// OpenSocket opens a further socket of the same machine on any port, for
	// tests of NAT behaviour; default: one of Network at the address of Conn.
	OpenSocket func() (net.PacketConn, error)
	// Awake is called when the host has slept; it must not block. It may be nil.
	Awake func()
	// DialTunnel opens a tunnel to an edge where UDP is blocked; default: over a WebSocket.
	DialTunnel DialTunnel
	Logger     *slog.Logger // default slog.Default()
}

// Host is one UDP socket and the swarms that a process takes part in.
type Host struct {
	cfg      HostConfig
	log      *slog.Logger
	endpoint *rudp.Endpoint
	stun     *nat.Client
	tunnels  *tunnels
	punching *punching
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	greeting chan struct{} // one token per session that has not said Hello

	mu     sync.Mutex
	swarms map[wire.StreamID]*Swarm
	nat    *nat.Result     // nil: not known yet
	mapper *portmap.Mapper // nil: none runs
	mapped netip.AddrPort  // on the router; invalid: none
}

// Listen binds a UDP address and starts a host on it. An empty address means
// any free port on all interfaces.
func Listen(addr string, cfg HostConfig) (*Host, error) {
	var err error
	if cfg.Conn, err = sockets.Or(cfg.Network).ListenPacket(addr); err != nil {
		return nil, err
	}
	return NewHost(cfg)
}

// NewHost starts a host on a socket.
func NewHost(cfg HostConfig) (*Host, error) {
	h := &Host{
		cfg:      cfg,
		log:      cfg.Logger,
		greeting: make(chan struct{}, maxGreeting),
		swarms:   make(map[wire.StreamID]*Swarm),
		tunnels:  newTunnels(),
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.cfg.DialTunnel == nil {
		h.cfg.DialTunnel = dialTunnel
	}
	interval, idle := keepAlive, idleTimeout
	if cfg.Profile == rudp.Server {
		// Those behind NATs ask by themselves, as often as they need to.
		interval, idle = maxKeepAlive, maxKeepAlive+idleTimeout-keepAlive
	}
	// STUN answers may arrive before Listen has returned.
	ready := make(chan struct{})
	endpoint, err := rudp.Listen(cfg.Conn, rudp.Config{
		Identity:    cfg.Identity,
		Logger:      h.log,
		KeepAlive:   interval,
		IdleTimeout: idle,
		Profile:     cfg.Profile,
		OnPacket: func(b []byte, from netip.AddrPort) {
			<-ready
			if !h.punching.handlePacket(b, from, 0) {
				h.stun.HandlePacket(b, from)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	h.endpoint = endpoint
	h.stun = nat.NewClient(endpoint)
	h.punching = newPunching(h)
	close(ready)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.wg.Go(h.accept)
	h.wg.Go(h.watchClock)
	return h, nil
}

// ID returns the host's peer id.
func (h *Host) ID() wire.PeerID { return wire.PeerID(h.endpoint.ID()) }

// LocalAddr returns the socket's address.
func (h *Host) LocalAddr() netip.AddrPort { return h.endpoint.LocalAddr() }

// Endpoint returns the sessions' endpoint, for its statistics.
func (h *Host) Endpoint() *rudp.Endpoint { return h.endpoint }

// SetUploadLimit bounds what the host sends, in bits a second; 0: no bound.
func (h *Host) SetUploadLimit(bitsPerSecond int64) { h.endpoint.SetUploadLimit(bitsPerSecond / 8) }

// Reflexive asks a STUN server for the socket's public address.
func (h *Host) Reflexive(ctx context.Context, server netip.AddrPort) (netip.AddrPort, error) {
	return h.stun.Reflexive(ctx, server)
}

// Close ends all swarms and sessions, telling the peers why, and returns when
// everything is gone.
func (h *Host) Close(reason string) error {
	h.mu.Lock()
	swarms := make([]*Swarm, 0, len(h.swarms))
	for _, s := range h.swarms {
		swarms = append(swarms, s)
	}
	h.mu.Unlock()
	for _, s := range swarms {
		s.Close(reason)
	}
	h.cancel()
	err := h.endpoint.Close()
	h.wg.Wait()
	return err
}

// swarm returns the swarm of a stream, or nil.
func (h *Host) swarm(stream wire.StreamID) *Swarm {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.swarms[stream]
}

// accept greets the peers that connect.
func (h *Host) accept() {
	for {
		conn, err := h.endpoint.Accept(h.ctx)
		if err != nil {
			return
		}
		select {
		case h.greeting <- struct{}{}:
		default:
			conn.Close("too many peers connect at once")
			continue
		}
		h.wg.Go(func() {
			err := h.greet(conn)
			<-h.greeting
			if err != nil {
				h.log.Debug("peer refused", "peer", wire.PeerID(conn.Peer()).Short(), "err", err)
				conn.Close(err.Error())
			}
		})
	}
}

// greet hears who a peer is and hands it to its swarm.
func (h *Host) greet(conn *rudp.Conn) error {
	hello, err := receiveHello(h.ctx, conn)
	if err != nil {
		return err
	}
	id := wire.PeerID(conn.Peer())
	role := hello.Role
	if h.cfg.Admit != nil {
		if role, err = h.cfg.Admit(id, hello); err != nil {
			return err
		}
	}
	s := h.swarm(hello.Stream)
	if s == nil && h.cfg.Open != nil {
		if s, err = h.cfg.Open(id, hello, role); err != nil {
			return err
		}
	}
	if s == nil {
		return ErrNotInSwarm
	}
	if s.cfg.EdgeOnly {
		return ErrEdgeOnly
	}
	if err := sendHello(conn, s.hello()); err != nil {
		return err
	}
	h.punching.watch(conn)
	return s.attach(accepted(s, conn, hello, role))
}

// dial opens a session to a peer for a swarm and exchanges Hellos.
func (h *Host) dial(ctx context.Context, s *Swarm, info wire.PeerInfo) (*session, error) {
	conn, err := h.reach(ctx, info)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", info.ID.Short(), err)
	}
	h.punching.watch(conn)
	hello, err := func() (*wire.Hello, error) {
		if err := sendHello(conn, s.hello()); err != nil {
			return nil, err
		}
		return receiveHello(ctx, conn)
	}()
	if err == nil && hello.Stream != s.cfg.Stream {
		err = errors.New("the peer answered for another stream")
	}
	if err != nil {
		conn.Close(err.Error())
		return nil, fmt.Errorf("greet %s: %w", info.ID.Short(), err)
	}
	return dialed(s, conn, info), nil
}

func sendHello(conn *rudp.Conn, hello *wire.Hello) error {
	return control(conn).TrySend(wire.Append(nil, hello))
}

// receiveHello waits for a peer's first message.
func receiveHello(ctx context.Context, conn *rudp.Conn) (*wire.Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	m, err := conn.Recv(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for hello: %w", err)
	}
	msg, err := wire.Parse(m.Data)
	if err != nil {
		return nil, err
	}
	hello, ok := msg.(*wire.Hello)
	switch {
	case !ok || m.Channel != controlChannel:
		return nil, errors.New("the first message was not a hello")
	case hello.Version != wire.ProtocolVersion:
		return nil, fmt.Errorf("protocol version %d is not spoken here, only %d", hello.Version, wire.ProtocolVersion)
	}
	return hello, nil
}
