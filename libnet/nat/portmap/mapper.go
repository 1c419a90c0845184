// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Errors of routers, each a sentence for the user.
var (
	// ErrNoRouter: nothing in the network speaks a protocol for port mapping.
	ErrNoRouter = errors.New("no router here opens ports on request")
	// ErrRefused: the router speaks one, and has said no.
	ErrRefused = errors.New("the router refuses to open a port")
	// ErrNested: the router has a private address itself, so that a port there cannot be reached from outside.
	ErrNested = errors.New("the router stands behind another NAT itself: a port there cannot be reached from outside")

	errSilent = errors.New("no answer")
)

// Config of a Mapper.
type Config struct {
	// Port is the UDP port of this host that is to be reached.
	Port uint16
	// Changed is called when the mapping has changed; an invalid address says that there is none. It must not block.
	Changed func(public netip.AddrPort)
	// Logger; default slog.Default().
	Logger *slog.Logger

	protocols func() []protocol // of tests
}

// mapping is what a router has granted.
type mapping struct {
	public   netip.AddrPort
	lifetime time.Duration // of the grant
}

// protocol is one way of asking. Its methods are called from one goroutine.
type protocol interface {
	// Map asks for a mapping, or for the renewal of the one before. Errors match ErrRefused, or mean that the router
	// does not speak the protocol.
	Map(ctx context.Context, port uint16) (mapping, error)
	// Unmap takes it back.
	Unmap(ctx context.Context) error
	Name() string
}

// Mapper keeps a port mapped.
type Mapper struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	public netip.AddrPort
	err    error // of the newest attempt
}

// New makes a Mapper; Run does its work.
func New(cfg Config) *Mapper {
	if cfg.protocols == nil {
		cfg.protocols = protocols
	}
	m := &Mapper{cfg: cfg, log: cfg.Logger}
	if m.log == nil {
		m.log = slog.Default()
	}
	return m
}

// Public is the mapped address; invalid: there is none, and err says why, in one sentence.
func (m *Mapper) Public() (public netip.AddrPort, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.public, m.err
}

// Run maps the port and keeps it mapped until ctx ends; then it takes the mapping back, for at most a second.
func (m *Mapper) Run(ctx context.Context) {
	var p protocol
	wait := retryAfter
	for ctx.Err() == nil {
		var got mapping
		var err error
		if p != nil {
			got, err = usable(p.Map(ctx, m.cfg.Port))
		}
		if err != nil && ctx.Err() == nil {
			m.remove(p) // it may have been only half forgotten
		}
		if p == nil || err != nil {
			p, got, err = m.find(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		m.note(p, got, err)
		next := wait
		if err == nil {
			next, wait = got.lifetime/2, retryAfter
		} else {
			wait = min(2*wait, maxRetry)
		}
		sleep(ctx, next)
	}
	m.remove(p)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// find looks for a protocol that the router speaks, and maps the port by it.
func (m *Mapper) find(ctx context.Context) (protocol, mapping, error) {
	var refusal error
	for _, p := range m.cfg.protocols() {
		got, err := usable(p.Map(ctx, m.cfg.Port))
		if err == nil {
			return p, got, nil
		}
		m.log.Debug("port not mapped", "protocol", p.Name(), "err", err)
		if errors.Is(err, ErrNested) {
			m.remove(p) // it is of no use
		}
		if refusal == nil && (errors.Is(err, ErrRefused) || errors.Is(err, ErrNested)) {
			refusal = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if refusal == nil {
		refusal = ErrNoRouter
	}
	return nil, mapping{}, refusal
}

// protocols are those that the router may speak, the better ones first.
func protocols() []protocol {
	var list []protocol
	if gateway, err := defaultGateway(); err == nil {
		server := netip.AddrPortFrom(gateway, pcpPort)
		list = append(list, newPCP(server), newNATPMP(server))
	}
	return append(list, newUPnP(search))
}

// usable refuses a mapping that nobody can reach, and keeps its lifetime within bounds.
func usable(got mapping, err error) (mapping, error) {
	if err != nil {
		return mapping{}, err
	}
	ip := got.public.Addr().Unmap()
	switch {
	case got.public.Port() == 0 || !ip.IsValid():
		return mapping{}, fmt.Errorf("%w: it names no address", ErrRefused)
	case !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip):
		return mapping{}, ErrNested
	}
	got.public = netip.AddrPortFrom(ip, got.public.Port())
	got.lifetime = min(max(got.lifetime, minLifetime), maxLifetime)
	return got, nil
}

// shared is the address space of carriers' NATs (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// note keeps the result, and tells of a change.
func (m *Mapper) note(p protocol, got mapping, err error) {
	m.mu.Lock()
	changed := m.public != got.public
	news := changed || m.err == nil && err != nil
	m.public, m.err = got.public, err
	m.mu.Unlock()
	switch {
	case news && err == nil:
		m.log.Info("the router forwards a port", "public", got.public, "protocol", p.Name())
	case news:
		m.log.Debug("the router forwards no port", "err", err)
	}
	if changed && m.cfg.Changed != nil {
		m.cfg.Changed(got.public)
	}
}

// remove takes a mapping back, also when the program is about to end.
func (m *Mapper) remove(p protocol) {
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	if err := p.Unmap(ctx); err != nil {
		m.log.Debug("mapping not removed", "protocol", p.Name(), "err", err)
	}
}
