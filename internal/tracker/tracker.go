// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/forwarded"
	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/sockets"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
)

// Config of a tracker.
type Config struct {
	// Listen is the TCP address for HTTP and WebSockets; default ":7000".
	Listen string

	// UDP is the address of the STUN server; default ":3478", "none" for none.
	// The server takes the next port too, for tests of NAT behaviour.
	UDP string

	// UDPAlt is a second IP address of the host for the STUN server, so that
	// the tests tell more. UDP must name the first one then. Default: none.
	UDPAlt string

	// TrustedProxies are reverse proxies before Listen, which say in X-Forwarded-For
	// who their clients are. Default: none.
	TrustedProxies forwarded.Proxies

	// EdgeKey and PublishKey are what edges and sources have to know. Empty:
	// anyone may register an edge, or publish.
	EdgeKey    []byte
	PublishKey []byte

	// Strategy chooses edges for peers; default Random.
	Strategy Strategy

	// Key signs tickets; default: a new one for each run.
	Key ed25519.PrivateKey

	// Network that HTTP is served on; default: this machine's. The STUN server
	// always is on this machine's.
	Network sockets.Network

	// Logger; default slog.Default().
	Logger *slog.Logger
}

// NoUDP as Config.UDP turns the STUN server off.
const NoUDP = "none"

// Tracker is a tracker server. New binds its sockets, Serve runs it.
type Tracker struct {
	log     *slog.Logger
	key     ed25519.PrivateKey
	door    door
	http    net.Listener
	stun    nat.Sockets // [0][0] is the one that peers are told of; nil: none
	guard   *guard
	proxies forwarded.Proxies
	metrics *metrics

	open       context.Context // ends when no more peers are let in
	shut       context.CancelFunc
	life       context.Context // of sessions; outlives open by the goodbyes
	kill       context.CancelFunc
	sessionsWG sync.WaitGroup

	mu        sync.Mutex // guards what follows
	reg       *registry
	sessions  map[connID]*session
	lastID    connID
	stopping  bool
	polluters map[signal.PeerID]bool
}

// New checks the configuration and binds the sockets.
func New(cfg Config) (*Tracker, error) {
	strategy, err := newStrategy(cfg.Strategy)
	if err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	key := cfg.Key
	if key == nil {
		if _, key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, fmt.Errorf("make the tracker's key: %w", err)
		}
	}
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("the tracker's key is no Ed25519 private key")
	}
	rng := mathrand.New(mathrand.NewPCG(mathrand.Uint64(), mathrand.Uint64()))
	t := &Tracker{
		log:       log,
		key:       key,
		door:      door{edgeKey: cfg.EdgeKey, publishKey: cfg.PublishKey, tickets: key.Public().(ed25519.PublicKey), began: time.Now()},
		guard:     newGuard(),
		proxies:   cfg.TrustedProxies,
		metrics:   newMetrics(),
		reg:       newRegistry(strategy, rng, func(x signal.Ticket) []byte { return signal.IssueTicket(key, x) }),
		sessions:  make(map[connID]*session),
		polluters: make(map[signal.PeerID]bool),
	}
	t.reg.onGreedy = func(peer signal.PeerID) {
		t.log.Warn("a peer asks for more connections than it may", "peer", peer)
	}
	t.metrics.registry.MustRegister(t)
	if err := t.bind(cfg); err != nil {
		return nil, err
	}
	t.life, t.kill = context.WithCancel(context.Background())
	t.open, t.shut = context.WithCancel(t.life)
	t.warnIfOpen()
	return t, nil
}

func (t *Tracker) bind(cfg Config) (err error) {
	listen, udp := cfg.Listen, cfg.UDP
	if listen == "" {
		listen = ":7000"
	}
	if udp == "" {
		udp = ":3478"
	}
	if t.http, err = sockets.Or(cfg.Network).Listen(listen); err != nil {
		return fmt.Errorf("tracker: %w", err) // net names network and address
	}
	if udp == NoUDP && cfg.UDPAlt == "" {
		return nil
	}
	if t.stun, err = listenSTUN(udp, cfg.UDPAlt, t.log); err != nil {
		t.http.Close()
		return fmt.Errorf("tracker: %w", err)
	}
	return nil
}

// warnIfOpen tells the operator when strangers can register.
func (t *Tracker) warnIfOpen() {
	if tcp, ok := t.http.Addr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return
	}
	if len(t.door.edgeKey) == 0 {
		t.log.Warn("anyone may register an edge: no edge key is set")
	}
	if len(t.door.publishKey) == 0 {
		t.log.Warn("anyone may publish: no publish key is set")
	}
}

// HTTPAddr is the address that HTTP is served on.
func (t *Tracker) HTTPAddr() net.Addr { return t.http.Addr() }

// UDPAddr is the address of the STUN server, nil without one.
func (t *Tracker) UDPAddr() net.Addr {
	if t.stun[0][0] == nil {
		return nil
	}
	return t.stun[0][0].LocalAddr()
}

// Key is the public half of the key that signs tickets.
func (t *Tracker) Key() ed25519.PublicKey { return t.key.Public().(ed25519.PublicKey) }

// Close releases the sockets of a tracker that will not be served.
func (t *Tracker) Close() error {
	t.kill()
	return errors.Join(t.http.Close(), closeSTUN(t.stun))
}

// Serve runs until ctx ends (then it tells the peers, closes and returns nil)
// or a socket fails. It may be called once.
func (t *Tracker) Serve(ctx context.Context) error {
	srv := &http.Server{
		Handler:           t.routes(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(t.log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(t.http); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return t.stop(srv)
	})
	g.Go(func() error {
		t.tickLoop(ctx)
		return nil
	})
	if t.stun[0][0] != nil {
		g.Go(func() error { return t.serveSTUN(ctx) })
	}
	return g.Wait()
}

// stop tells every peer, waits for their sessions, and cuts those that stay.
func (t *Tracker) stop(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	bye := &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Bye{Bye: &signalpb.Bye{Reason: "tracker is stopping"}}}
	t.mu.Lock()
	t.stopping = true
	var out []output
	for id := range t.sessions {
		out = append(out, output{to: id, msg: bye, last: true})
	}
	t.deliver(out)
	t.mu.Unlock()
	t.shut()

	cut := time.AfterFunc(goodbyeTimeout, t.kill)
	defer cut.Stop()
	t.sessionsWG.Wait()
	t.kill()
	if srv.Shutdown(ctx) != nil {
		return srv.Close()
	}
	return nil
}

func (t *Tracker) tickLoop(ctx context.Context) {
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			t.guard.sweep(now)
			t.mu.Lock()
			t.deliver(t.reg.tick(now))
			t.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// hello makes a connection's challenge.
func (t *Tracker) hello(ip netip.Addr) (*signalpb.Hello, rudp.Identity, error) {
	challenge, err := rudp.NewIdentity()
	if err != nil {
		return nil, rudp.Identity{}, err
	}
	nonce := make([]byte, signal.NonceSize)
	_, _ = rand.Read(nonce) // never fails
	id := challenge.ID()
	h := &signalpb.Hello{
		ProtocolVersion: signal.ProtocolVersion,
		Nonce:           nonce,
		ChallengeKey:    id[:],
		TrackerKey:      t.Key(),
		ObservedIp:      ip.String(),
	}
	if udp, ok := t.UDPAddr().(*net.UDPAddr); ok {
		h.UdpPort = uint32(udp.Port)
	}
	return h, challenge, nil
}
