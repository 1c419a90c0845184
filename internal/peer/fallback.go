// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
	"p2plive/libnet/tunnel"
)

// DialTunnel opens a tunnel to the edge at an HTTP address; its other end goes by the name of remote.
type DialTunnel func(ctx context.Context, httpURL string, remote netip.AddrPort) (net.PacketConn, error)

func dialTunnel(ctx context.Context, httpURL string, remote netip.AddrPort) (net.PacketConn, error) {
	t, err := tunnel.Dial(ctx, httpURL, remote)
	if err != nil {
		return nil, err // not a nil *Conn in an interface
	}
	return t, nil
}

// tunnels are the sockets that are tunnels, and where edges accept them.
type tunnels struct {
	mu   sync.Mutex
	open map[*rudp.Socket]bool
	urls map[wire.PeerID]string // of edges
	asks map[wire.PeerID]bool   // tunnels being opened for a session that has fallen silent
	mute bool                   // the newest question over UDP has had no answer
}

func newTunnels() *tunnels {
	return &tunnels{
		open: make(map[*rudp.Socket]bool), urls: make(map[wire.PeerID]string), asks: make(map[wire.PeerID]bool),
	}
}

func (t *tunnels) has(s *rudp.Socket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[s]
}

func (t *tunnels) url(edge wire.PeerID) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.urls[edge]
}

// learn notes where an edge accepts tunnels. When there are too many, any other is forgotten: the tracker names them
// again when they are needed.
func (t *tunnels) learn(edge wire.PeerID, url string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.urls {
		if len(t.urls) < maxEdgeURLs || t.urls[edge] != "" {
			break
		}
		delete(t.urls, id)
	}
	t.urls[edge] = url
}

// heardUDP notes whether a question over UDP has been answered.
func (t *tunnels) heardUDP(answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mute = !answered
}

// delay is how long UDP is tried alone.
func (t *tunnels) delay() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mute {
		return 0
	}
	return tunnelDelay
}

// Infos converts the tracker's introductions to what a swarm dials, and notes where edges accept tunnels.
func (h *Host) Infos(peers []signal.PeerInfo) []wire.PeerInfo {
	infos := make([]wire.PeerInfo, 0, len(peers))
	for _, p := range peers {
		if p.Role == wire.RoleEdge && p.HTTPURL != "" {
			h.tunnels.learn(p.ID, p.HTTPURL)
		}
		infos = append(infos, wire.PeerInfo{
			ID: p.ID, Role: p.Role, Addrs: p.Addrs[:min(len(p.Addrs), wire.MaxAddrs)],
		})
	}
	return infos
}

// AddTunnel takes a tunnel that a peer has opened: sessions come through it as from any socket.
func (h *Host) AddTunnel(pc net.PacketConn) error {
	_, err := h.addTunnel(pc)
	return err
}

func (h *Host) addTunnel(pc net.PacketConn) (*rudp.Socket, error) {
	s, err := h.endpoint.AddSocket(pc, rudp.SocketConfig{})
	if err != nil {
		return nil, err
	}
	t := h.tunnels
	t.mu.Lock()
	t.open[s] = true
	t.mu.Unlock()
	h.wg.Go(func() {
		<-s.Done()
		t.mu.Lock()
		delete(t.open, s)
		t.mu.Unlock()
	})
	return s, nil
}

// openTunnel opens a tunnel to an edge whose UDP address is addr.
func (h *Host) openTunnel(ctx context.Context, edge wire.PeerID, addr netip.AddrPort) (*rudp.Socket, error) {
	pc, err := h.cfg.DialTunnel(ctx, h.tunnels.url(edge), addr)
	if err != nil {
		return nil, err
	}
	return h.addTunnel(pc)
}

// throughTunnel dials an edge through a new tunnel. The session leaves it for UDP once that works.
func (h *Host) throughTunnel(ctx context.Context, info wire.PeerInfo) (*rudp.Conn, error) {
	s, err := h.openTunnel(ctx, info.ID, info.Addrs[0])
	if err != nil {
		return nil, err
	}
	conn, err := s.Dial(ctx, info.Addrs[0], rudp.PeerID(info.ID))
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("through a tunnel: %w", err)
	}
	h.wg.Go(func() { h.seekUDP(conn, s, info.Addrs) })
	return conn, nil
}

// seekUDP tries now and then whether a session that goes through a tunnel can go over UDP, and closes the tunnel when
// it does, or when the session has ended.
func (h *Host) seekUDP(conn *rudp.Conn, s *rudp.Socket, addrs []netip.AddrPort) {
	defer s.Close()
	wait := firstRetry
	for h.sleep(conn, wait) {
		for _, addr := range addrs {
			if conn.Move(h.ctx, rudp.Path{Socket: h.endpoint.Socket(), Addr: addr}) != nil {
				continue
			}
			h.tunnels.heardUDP(true)
			h.log.Info("UDP works again", "edge", wire.PeerID(conn.Peer()).Short())
			h.sleep(conn, tunnelLinger)
			if conn.Path().Socket != s {
				return
			}
		}
		wait = min(wait+firstRetry, udpRetry)
	}
}

// sleep waits, and tells whether the session still lives.
func (h *Host) sleep(conn *rudp.Conn, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-conn.Done():
		return false
	case <-h.ctx.Done():
		return false
	}
}

// watchPath looks after a session with an edge that has fallen silent: where UDP is blocked all at once, a tunnel takes
// over before the swarm gives the edge up.
func (h *Host) watchPath(ss *session) {
	t := h.tunnels
	if ss.conn.Stats().Silent < silentPath || t.has(ss.conn.Path().Socket) {
		return
	}
	t.mu.Lock()
	able := t.urls[ss.peer] != "" && !t.asks[ss.peer]
	if able {
		t.asks[ss.peer] = true
	}
	t.mu.Unlock()
	if !able {
		return
	}
	h.wg.Go(func() {
		if err := h.fallBack(ss.conn, ss.peer, ss.addrs); err != nil && !errors.Is(err, net.ErrClosed) {
			h.log.Debug("no tunnel to a silent edge", "edge", ss.peer.Short(), "err", err)
		}
		t.mu.Lock()
		delete(t.asks, ss.peer)
		t.mu.Unlock()
	})
}

// fallBack moves a session to a new tunnel.
func (h *Host) fallBack(conn *rudp.Conn, edge wire.PeerID, addrs []netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(h.ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	addr := conn.RemoteAddr()
	s, err := h.openTunnel(ctx, edge, addr)
	if err != nil {
		return err
	}
	if conn.Stats().Silent < silentPath { // it was only a moment
		return s.Close()
	}
	if err := conn.Move(ctx, rudp.Path{Socket: s, Addr: addr}); err != nil {
		s.Close()
		return err
	}
	h.log.Info("UDP does not work any more: the edge's web port is used", "edge", edge.Short())
	h.wg.Go(func() { h.seekUDP(conn, s, addrs) })
	return nil
}
