// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
)

// errNoHelp says that the tracker could not bring the two peers together; they may know each other's addresses all
// the same.
var errNoHelp = errors.New("no help from the tracker")

// punching is a host's part in hole punching.
type punching struct {
	host   *Host
	budget *nat.ProbeBudget

	mu        sync.Mutex // guards what follows
	tracker   *helper    // nil: there is none at present
	class     nat.Class
	learning  chan struct{} // closed when the class is known; nil: it is, or nobody asks
	attempts  map[nat.AttemptID]*punchAttempt
	asked     int // attempts that others have asked for
	birthdays int // attempts with many sockets or probes
	how       map[wire.PeerID]way
	carrying  map[*rudp.Socket]int // sessions on further sockets that punching has opened
}

// helper is the tracker whose UDP port takes connection requests.
type helper struct {
	requests *nat.Requester
	server   string // "host:port"

	mu   sync.Mutex
	addr netip.AddrPort // resolved; zero: not yet
}

func newPunching(h *Host) *punching {
	return &punching{
		host: h, budget: nat.NewProbeBudget(), attempts: make(map[nat.AttemptID]*punchAttempt),
		how: make(map[wire.PeerID]way), carrying: make(map[*rudp.Socket]int),
	}
}

func (h *helper) resolve(ctx context.Context) (netip.AddrPort, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.addr.IsValid() {
		return h.addr, nil
	}
	addr, err := Resolve(ctx, h.server)
	if err == nil {
		h.addr = addr
	}
	return addr, err
}

// UseTracker lets the host ask a tracker's UDP port "host:port" for connections to other viewers, with the key of
// its long connection. An empty server means that there is none at present.
func (h *Host) UseTracker(server string, key nat.RequestKey) {
	p := h.punching
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tracker = nil
	if server != "" {
		p.tracker = &helper{requests: nat.NewRequester(key), server: server}
	}
}

// HandlePunch takes what the tracker says about a connection request. It does not block.
func (h *Host) HandlePunch(m signal.Punch) {
	p := h.punching
	remote := nat.Remote{Seen: m.Seen, Class: m.Class}
	for _, addr := range m.Peer.Addrs {
		kind := nat.SeenCandidate
		switch {
		case addr == m.Peer.Mapped:
			kind = nat.MappedCandidate
		case addr.Addr().IsPrivate() || addr.Addr().IsLoopback() || addr.Addr().Is6():
			kind = nat.HostCandidate
		}
		remote.Candidates = append(remote.Candidates, nat.Candidate{Addr: addr, Kind: kind})
	}
	switch m.Step {
	case signal.PunchWanted:
		p.wanted(m, remote)
	case signal.PunchGo:
		p.tell(m.Attempt, attemptEvent{punch: nat.PunchGo{Remote: remote}})
	case signal.PunchRefused:
		p.tell(m.Attempt, attemptEvent{punch: nat.PunchRefused{Reason: m.Reason}})
	}
}

// wanted begins the attempt that another peer asks for, as far as there is room.
func (p *punching) wanted(m signal.Punch, remote nat.Remote) {
	cfg := attemptConfig{peer: m.Peer.ID, id: m.Attempt}
	if _, err := p.begin(cfg, nat.PunchWanted{Remote: remote}); err != nil {
		p.host.log.Debug("connection request not followed", "peer", m.Peer.ID.Short(), "err", err)
	}
}

func (p *punching) ownClass() nat.Class {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.class
}

// learn says that the class is being found out; the caller calls learned when it is, or cannot be.
func (p *punching) learn() (learned func(nat.Class, error)) {
	done := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.class == (nat.Class{}) {
		p.learning = done
	}
	return func(c nat.Class, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err == nil {
			p.class = c
		}
		p.learning = nil
		close(done)
	}
}

// awaitClass gives the class, for which it waits a moment if it is being found out.
func (p *punching) awaitClass(ctx context.Context) nat.Class {
	p.mu.Lock()
	learning := p.learning
	p.mu.Unlock()
	if learning != nil {
		timer := time.NewTimer(classTime)
		defer timer.Stop()
		select {
		case <-learning:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return p.ownClass()
}

// begin starts an attempt, unless there are too many.
func (p *punching) begin(cfg attemptConfig, first nat.PunchEvent) (*punchAttempt, error) {
	var err error
	if cfg.secret, err = p.host.cfg.Identity.SharedSecret(rudp.PeerID(cfg.peer)); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.tracker == nil || p.host.ctx.Err() != nil:
		return nil, errNoHelp
	case p.attempts[cfg.id] != nil:
		return nil, errors.New("the attempt is under way")
	case !cfg.asker && p.asked >= maxAsked:
		return nil, errors.New("too many attempts at once")
	}
	cfg.tracker = p.tracker
	a := newAttempt(p, cfg)
	p.attempts[cfg.id] = a
	if !cfg.asker {
		p.asked++
	}
	p.host.wg.Go(func() { a.run(p.host.ctx, first) })
	return a, nil
}

// search counts an attempt as one with many sockets or probes; false: there are enough of them.
func (p *punching) search(a *punchAttempt) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.birthdays >= maxBirthdays {
		return false
	}
	a.birthday = true
	p.birthdays++
	return true
}

// end counts an attempt out.
func (p *punching) end(a *punchAttempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.attempts, a.cfg.id)
	if !a.cfg.asker {
		p.asked--
	}
	if a.birthday {
		p.birthdays--
	}
}

// tell gives an attempt an event. One that does not keep up loses it, as on a network.
func (p *punching) tell(id nat.AttemptID, ev attemptEvent) {
	p.mu.Lock()
	a := p.attempts[id]
	p.mu.Unlock()
	if a == nil {
		return
	}
	select {
	case a.events <- ev:
	default:
	}
}

// handlePacket takes a datagram of hole punching that came to a socket, 0 the sessions' own; false: it is none.
func (p *punching) handlePacket(b []byte, from netip.AddrPort, socket int) bool {
	if id, ok := nat.ProbeAttempt(b); ok {
		p.tell(id, attemptEvent{punch: nat.PunchHeard{Socket: socket, From: from, Data: append([]byte(nil), b...)}})
		return true
	}
	if id, ok := nat.IsReply(b); ok {
		p.tell(id, attemptEvent{reply: append([]byte(nil), b...)})
		return true
	}
	return false
}

// dial reaches a viewer with the tracker's help. The error matches errNoHelp where the tracker could not bring the
// two together.
func (p *punching) dial(ctx context.Context, peer wire.PeerID) (*rudp.Conn, error) {
	cfg := attemptConfig{peer: peer, asker: true}
	rand.Read(cfg.id[:])
	a, err := p.begin(cfg, nat.PunchStart{})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoHelp, err)
	}
	select {
	case path, ok := <-a.found:
		if !ok {
			return nil, a.err
		}
		conn, err := a.open(ctx, path)
		if err != nil {
			return nil, err
		}
		p.host.wg.Go(func() { a.improve(conn) })
		return conn, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// reach opens a session to a peer: through the NATs of both to a viewer, as far as the tracker helps, and otherwise to
// the addresses that are known.
func (h *Host) reach(ctx context.Context, info wire.PeerInfo) (*rudp.Conn, error) {
	if info.Role == wire.RoleViewer {
		conn, err := h.punching.dial(ctx, info.ID)
		if !errors.Is(err, errNoHelp) {
			return conn, err
		}
		h.log.Debug("peer is dialled without help", "peer", info.ID.Short(), "err", err)
	}
	return h.race(ctx, info)
}

// note remembers how a peer is reached.
func (p *punching) note(peer wire.PeerID, path nat.PunchPath) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.how) >= maxNoted {
		clear(p.how) // what is told of running sessions falls back on their addresses
	}
	p.how[peer] = way{Path: string(path.Word), Reason: path.Reason}
}

// reached tells how a peer's session came about.
func (p *punching) reached(peer wire.PeerID) (way, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.how[peer]
	return w, ok
}

// watch closes a further socket that carries a session when that has ended.
func (p *punching) watch(conn *rudp.Conn) {
	socket := conn.Path().Socket
	if socket == p.host.endpoint.Socket() {
		return
	}
	p.mu.Lock()
	_, ours := p.carrying[socket]
	if ours {
		p.carrying[socket]++
	}
	p.mu.Unlock()
	if !ours {
		return
	}
	p.host.wg.Go(func() {
		<-conn.Done() // the endpoint's Close ends it too
		p.mu.Lock()
		p.carrying[socket]--
		idle := p.carrying[socket] == 0
		if idle {
			delete(p.carrying, socket)
		}
		p.mu.Unlock()
		if idle {
			socket.Close()
		}
	})
}
