// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"p2plive/internal/wire"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
	"p2plive/libnet/udp"
)

type attemptConfig struct {
	peer    wire.PeerID
	id      nat.AttemptID
	asker   bool
	secret  []byte
	tracker *helper
}

// punchAttempt connects a Puncher to the world. Its goroutine is run.
type punchAttempt struct {
	p        *punching
	cfg      attemptConfig
	birthday bool // counted as one; guarded by punching.mu
	events   chan attemptEvent
	found    chan nat.PunchPath // the first path and better ones; closed at the end
	err      error              // why found was closed without any; set before

	// Owned by run.
	puncher *nat.Puncher
	own     nat.Class
	start   time.Time
	wake    *time.Timer
	went    bool // both were known
	server  netip.AddrPort
	fresh   *extraSocket   // from which requests go
	extras  []*extraSocket // 1, 2... of the Puncher
	over    bool
	paths   int

	mu      sync.Mutex // guards adopted
	adopted map[int]*rudp.Socket
}

// attemptEvent is an event of the Puncher, or the tracker's demand for a cookie.
type attemptEvent struct {
	punch nat.PunchEvent
	reply []byte
	via   *extraSocket // of reply; nil: the sessions' own
}

func newAttempt(p *punching, cfg attemptConfig) *punchAttempt {
	return &punchAttempt{
		p: p, cfg: cfg,
		events:  make(chan attemptEvent, attemptEvents),
		found:   make(chan nat.PunchPath, maxPaths),
		start:   time.Now(),
		adopted: make(map[int]*rudp.Socket),
	}
}

// newPuncher is for a host whose class is known as far as it can be.
func (a *punchAttempt) newPuncher() *nat.Puncher {
	h := a.p.host
	return nat.NewPuncher(nat.PunchConfig{
		Secret: a.cfg.secret, Self: nat.PeerKey(h.ID()), Peer: nat.PeerKey(a.cfg.peer),
		Attempt: a.cfg.id, Asker: a.cfg.asker, Own: a.own,
		CanTTL: h.endpoint.Socket().SetsTTL(), Spend: a.p.budget.Spend, Seed: mathrand.Uint64(),
	})
}

// run makes the attempt, from its first event to the end of all its sockets that carry no session.
func (a *punchAttempt) run(ctx context.Context, first nat.PunchEvent) {
	a.wake = time.NewTimer(time.Hour)
	defer a.wake.Stop()
	a.err = errNoHelp
	a.own = a.p.awaitClass(ctx)
	a.puncher = a.newPuncher()
	var err error
	if a.server, err = a.cfg.tracker.resolve(ctx); err != nil {
		a.err = fmt.Errorf("%w: %w", errNoHelp, err)
		a.over = true
	} else {
		a.handle(first)
	}
	for !a.over {
		select {
		case ev := <-a.events:
			if ev.reply != nil {
				a.showCookie(ev)
				continue
			}
			if known, ok := ev.punch.(nat.PunchGo); ok && !a.goes(known.Remote.Class) {
				continue
			}
			a.handle(ev.punch)
		case <-a.wake.C:
			a.handle(nat.PunchTick{})
		case <-ctx.Done():
			a.err = context.Cause(ctx)
			a.over = true
		}
	}
	a.p.end(a)
	close(a.found)
	a.closeSockets(ctx)
}

// goes notes that both are known. A search with many sockets or probes has to wait for another one: then it ends here.
func (a *punchAttempt) goes(peer nat.Class) bool {
	a.went = true
	if nat.Choose(a.own, peer).Method == nat.MethodBirthday && !a.p.search(a) {
		a.finish("The port of a symmetric NAT (NAT4) has to be searched for, and another search is under way.")
		return false
	}
	return true
}

func (a *punchAttempt) handle(ev nat.PunchEvent) {
	for _, cmd := range a.puncher.Handle(time.Since(a.start), ev) {
		a.do(cmd)
	}
}

func (a *punchAttempt) do(cmd nat.PunchCommand) {
	switch c := cmd.(type) {
	case nat.SendProbe:
		a.send(c)
	case nat.SendRequest:
		a.request(c)
	case nat.OpenSockets:
		a.openSockets(c.N)
	case nat.Adopt:
		a.adopt(c.Socket)
	case nat.PathFound:
		a.p.note(a.cfg.peer, c.Path)
		a.p.host.log.Debug("path found", "peer", a.cfg.peer.Short(), "addr", c.Path.Addr, "path", c.Path.Word, "method", c.Path.Method)
		if a.paths++; a.paths <= maxPaths {
			a.found <- c.Path
		}
	case nat.PunchOver:
		a.finish(c.Reason)
	case nat.Wake:
		a.wake.Reset(c.At - time.Since(a.start))
	}
}

func (a *punchAttempt) finish(reason string) {
	a.over = true
	stats := a.puncher.Stats()
	a.p.host.log.Debug("attempt to connect is over", "peer", a.cfg.peer.Short(), "reason", reason,
		"probes", stats.Sent, "answered", stats.Answered, "replayed", stats.Replayed, "forged", stats.Forged)
	if reason == "" {
		return
	}
	if a.err = errors.New(reason); !a.went {
		a.err = fmt.Errorf("%w: %s", errNoHelp, reason)
	}
}

// send sends a probe. A failure is a loss like others.
func (a *punchAttempt) send(c nat.SendProbe) {
	if c.Socket == 0 {
		main := a.p.host.endpoint.Socket()
		if c.TTL > 0 {
			_ = main.WriteTTL(c.Data, c.To, c.TTL)
			return
		}
		_, _ = main.WriteTo(c.Data, c.To)
		return
	}
	if s := a.adoptedSocket(c.Socket); s != nil {
		_, _ = s.WriteTo(c.Data, c.To)
		return
	}
	if c.Socket > len(a.extras) {
		return
	}
	pc := a.extras[c.Socket-1].pc
	if c.TTL > 0 {
		_ = udp.WriteTTL(pc, c.Data, c.To, c.TTL)
		return
	}
	_, _ = pc.WriteTo(c.Data, net.UDPAddrFromAddrPort(c.To))
}

// request asks the tracker; repetitions come from the same socket.
func (a *punchAttempt) request(c nat.SendRequest) {
	b := a.cfg.tracker.requests.Request(a.cfg.id, nat.PeerKey(a.cfg.peer), a.own, nat.Cookie{})
	if c.Fresh && a.fresh == nil {
		if pc, err := a.p.host.openSocket(); err == nil {
			a.fresh = newExtraSocket(pc, func(s *extraSocket, b []byte, _ netip.AddrPort) {
				if id, ok := nat.IsReply(b); ok && id == a.cfg.id {
					a.tell(attemptEvent{reply: b, via: s})
				}
			})
		}
	}
	via := a.fresh
	if c.Socket > 0 && c.Socket <= len(a.extras) {
		via = a.extras[c.Socket-1]
	}
	a.write(via, b)
}

func (a *punchAttempt) showCookie(ev attemptEvent) {
	if cookie, ok := a.cfg.tracker.requests.Cookie(ev.reply); ok {
		a.write(ev.via, a.cfg.tracker.requests.Request(a.cfg.id, nat.PeerKey(a.cfg.peer), a.own, cookie))
	}
}

func (a *punchAttempt) write(via *extraSocket, b []byte) {
	if via != nil {
		_, _ = via.pc.WriteTo(b, net.UDPAddrFromAddrPort(a.server))
		return
	}
	_, _ = a.p.host.endpoint.WriteTo(b, a.server)
}

func (a *punchAttempt) tell(ev attemptEvent) {
	select {
	case a.events <- ev:
	default:
	}
}

// openSockets opens further sockets, as many as the system gives.
func (a *punchAttempt) openSockets(n int) {
	for len(a.extras) < n {
		pc, err := a.p.host.openSocket()
		if err != nil {
			break
		}
		number := len(a.extras) + 1
		a.extras = append(a.extras, newExtraSocket(pc, func(s *extraSocket, b []byte, from netip.AddrPort) {
			if id, ok := nat.ProbeAttempt(b); ok && id == a.cfg.id {
				a.tell(attemptEvent{punch: nat.PunchHeard{Socket: number, From: from, Data: b}})
			}
			if id, ok := nat.IsReply(b); ok && id == a.cfg.id {
				a.tell(attemptEvent{reply: b, via: s})
			}
		}))
	}
	a.handle(nat.PunchSockets{N: len(a.extras)})
}

// adopt makes a further socket one of the endpoint's.
func (a *punchAttempt) adopt(socket int) {
	if socket > len(a.extras) || a.adoptedSocket(socket) != nil {
		return
	}
	pc := a.extras[socket-1].release()
	if pc == nil {
		return
	}
	s, err := a.p.host.endpoint.AddSocket(pc, rudp.SocketConfig{OnPacket: func(b []byte, from netip.AddrPort) {
		a.p.handlePacket(b, from, socket)
	}})
	if err != nil {
		a.p.host.log.Debug("socket not added", "err", err)
		return
	}
	a.mu.Lock()
	a.adopted[socket] = s
	a.mu.Unlock()
	a.p.mu.Lock()
	a.p.carrying[s] = 0
	a.p.mu.Unlock()
}

func (a *punchAttempt) adoptedSocket(n int) *rudp.Socket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.adopted[n]
}

// path is where a session goes; false: its socket is gone.
func (a *punchAttempt) path(p nat.PunchPath) (rudp.Path, bool) {
	socket := a.p.host.endpoint.Socket()
	if p.Socket != 0 {
		socket = a.adoptedSocket(p.Socket)
	}
	return rudp.Path{Socket: socket, Addr: p.Addr}, socket != nil
}

// open opens the session on a path.
func (a *punchAttempt) open(ctx context.Context, p nat.PunchPath) (*rudp.Conn, error) {
	path, ok := a.path(p)
	if !ok {
		return nil, errors.New("the socket of the path is gone")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return path.Socket.Dial(ctx, path.Addr, rudp.PeerID(a.cfg.peer))
}

// improve moves the session to better paths.
func (a *punchAttempt) improve(conn *rudp.Conn) {
	for p := range a.found {
		path, ok := a.path(p)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(a.p.host.ctx, dialTimeout)
		if err := conn.Move(ctx, path); err != nil {
			a.p.host.log.Debug("session stays where it is", "addr", path.Addr, "err", err)
		}
		cancel()
	}
}

// closeSockets closes what the attempt has opened. Sockets that were to carry a session are given some time for it.
func (a *punchAttempt) closeSockets(ctx context.Context) {
	if a.fresh != nil {
		a.fresh.close()
	}
	for _, e := range a.extras {
		e.close()
	}
	if len(a.adopted) == 0 {
		return
	}
	select {
	case <-time.After(adoptTime):
	case <-ctx.Done():
	}
	for _, s := range a.adopted {
		a.p.mu.Lock()
		n, known := a.p.carrying[s]
		if known && n == 0 {
			delete(a.p.carrying, s)
		}
		a.p.mu.Unlock()
		if known && n == 0 {
			s.Close()
		}
	}
}
