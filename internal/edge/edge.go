// SPDX-License-Identifier: GPL-3.0-or-later

// Package edge is the server's role: it takes streams from their sources,
// keeps the newest seconds, and gives viewers what no peer can give in time.
package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/forwarded"
	"p2plive/internal/peer"
	"p2plive/internal/signal"
	"p2plive/internal/sockets"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
	"p2plive/libnet/tunnel"
)

// Config of an edge.
type Config struct {
	Tracker string // URL, "http://host:7000"
	UDP     string // address of the sessions' socket, default ":7100"
	HTTP    string // address for browsers, default ":7180"
	EdgeKey []byte // nil: the tracker asks for none
	// PublicAddrs are the UDP addresses, "host:port", under which peers reach
	// this edge. Empty: the one that the tracker sees.
	PublicAddrs []string
	// PublicURL is where browsers reach HTTP. Empty: the host that peers use.
	PublicURL string
	// UploadLimit is what the edge may send over its sessions, in bits a
	// second; 0: no limit. Beyond it the tracker lets no more viewers in.
	UploadLimit int64
	// TrustedProxies are reverse proxies before HTTP, which say in
	// X-Forwarded-For who their clients are. Default: none.
	TrustedProxies forwarded.Proxies
	Network        sockets.Network // default: this machine's
	Logger         *slog.Logger    // default slog.Default()
}

// Edge is a running edge.
type Edge struct {
	cfg    Config
	log    *slog.Logger
	host   *peer.Host
	client *signal.Client
	http   net.Listener
	// tunnels takes the peers whose networks block UDP.
	tunnels *tunnel.Server
	keys    signal.Keyring
	// changed wakes the reporter: a stream has come or gone.
	changed chan struct{}

	mu      sync.Mutex
	streams map[wire.StreamID]*stream
	ticket  []byte
	closed  bool
	past    peer.Stats // of streams that were let go
}

// New checks the configuration and binds the sockets.
func New(cfg Config) (*Edge, error) {
	e := &Edge{
		cfg: cfg, log: cfg.Logger,
		changed: make(chan struct{}, 1),
		streams: make(map[wire.StreamID]*stream),
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	identity, err := rudp.NewIdentity()
	if err != nil {
		return nil, err
	}
	if e.client, err = signal.NewClient(signal.Config{
		URL: cfg.Tracker, Identity: identity, Announce: e.announce, Network: cfg.Network, Logger: e.log,
	}); err != nil {
		return nil, err
	}
	if e.http, err = sockets.Or(cfg.Network).Listen(cfg.HTTP); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	e.host, err = peer.Listen(cfg.UDP, peer.HostConfig{
		Identity: identity, Admit: peer.AdmitTickets(&e.keys), Open: e.open, Profile: rudp.Server,
		Network: cfg.Network, Logger: e.log,
	})
	if err != nil {
		e.http.Close()
		return nil, fmt.Errorf("udp: %w", err)
	}
	e.host.SetUploadLimit(cfg.UploadLimit)
	e.tunnels = tunnel.NewServer(tunnel.ServerConfig{Accept: e.addTunnel, ClientAddr: cfg.TrustedProxies.Client})
	return e, nil
}

// UDPAddr returns the address of the sessions' socket.
func (e *Edge) UDPAddr() netip.AddrPort { return e.host.LocalAddr() }

// HTTPAddr returns the address for browsers.
func (e *Edge) HTTPAddr() net.Addr { return e.http.Addr() }

// Serve carries streams until ctx ends. It returns when everything is closed.
func (e *Edge) Serve(ctx context.Context) error {
	defer e.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.client.Run(ctx) })
	group.Go(func() error { e.follow(); return nil })
	group.Go(func() error { e.report(ctx); return nil })
	group.Go(func() error { return e.serveHTTP(ctx) })
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// Close lets all streams go and closes all sockets. Serve does it too.
func (e *Edge) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	for _, st := range e.all() {
		e.drop(st, "the edge is stopping")
	}
	e.host.Close("the edge is stopping")
	e.tunnels.Close()
	e.http.Close()
}

// addTunnel lets sessions come through a tunnel as they come over UDP.
func (e *Edge) addTunnel(t *tunnel.Conn) {
	if err := e.host.AddTunnel(t); err != nil {
		e.log.Debug("tunnel not taken", "from", t.RemoteAddr(), "err", err)
	}
}

// announce says where this edge is, at each connection to the tracker.
func (e *Edge) announce(ctx context.Context, hello signal.Hello) (signal.Announce, error) {
	a := signal.Announce{Edge: &signal.EdgeAnnounce{Key: e.cfg.EdgeKey, HTTPURL: e.cfg.PublicURL, Load: e.load()}}
	for _, public := range e.cfg.PublicAddrs {
		addr, err := peer.Resolve(ctx, public)
		if err != nil {
			return a, fmt.Errorf("public address %s: %w", public, err)
		}
		a.UDPAddrs = append(a.UDPAddrs, addr)
	}
	if len(a.UDPAddrs) == 0 {
		a.UDPAddrs = e.host.Addresses(ctx, hello)
	}
	if a.Edge.HTTPURL == "" {
		a.Edge.HTTPURL = "http://" + net.JoinHostPort(e.httpHost(hello), strconv.Itoa(e.http.Addr().(*net.TCPAddr).Port))
	}
	return a, nil
}

// httpHost guesses under which host browsers reach the edge: the one that
// peers use, the address that it listens on or, when that is unspecified, the
// one that the tracker sees.
func (e *Edge) httpHost(hello signal.Hello) string {
	if len(e.cfg.PublicAddrs) > 0 {
		if host, _, err := net.SplitHostPort(e.cfg.PublicAddrs[0]); err == nil {
			return host
		}
	}
	addr := e.http.Addr().(*net.TCPAddr).AddrPort().Addr()
	if addr.IsUnspecified() && hello.ObservedIP.IsValid() {
		addr = hello.ObservedIP
	}
	return addr.Unmap().String()
}

// follow does what the tracker says.
func (e *Edge) follow() {
	for ev := range e.client.Events() {
		switch m := ev.(type) {
		case signal.Welcome:
			e.keys.Add(m.TrackerKey)
			e.setTicket(m.Ticket)
			e.wakeReporter() // a tracker that has started anew knows nothing
		case signal.TicketRenewed:
			e.setTicket(m.Ticket)
		case signal.Carry:
			if st, err := e.carry(m.Stream); err != nil {
				e.log.Warn("stream not carried", "name", m.Name, "err", err)
			} else {
				_ = st.swarm.Introduce(e.host.Infos(m.Peers))
			}
		case signal.Peers:
			e.mu.Lock()
			st := e.streams[m.Stream]
			e.mu.Unlock()
			if st != nil {
				_ = st.swarm.Introduce(e.host.Infos(m.Peers))
			}
		}
	}
}

func (e *Edge) setTicket(ticket []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ticket = ticket
	for _, st := range e.streams {
		st.swarm.SetTicket(ticket)
	}
}

func (e *Edge) load() signal.Load {
	l := signal.Load{BudgetKbps: budgetKbps(e.cfg.UploadLimit)}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, st := range e.streams {
		l.Sessions += st.viewers
		l.OutKbps += st.outKbps
	}
	return l
}

func (e *Edge) wakeReporter() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}
