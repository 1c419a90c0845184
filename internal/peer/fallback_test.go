// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/wire"
)

// wall is a socket in a network that may block UDP.
type wall struct {
	net.PacketConn
	blocked *atomic.Bool
}

func (c wall) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.blocked.Load() {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

func (c wall) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || !c.blocked.Load() {
			return n, from, err
		}
	}
}

// fakeTunnel is one end of a tunnel: a socket with one peer that goes by another name.
type fakeTunnel struct {
	net.PacketConn
	peer net.Addr
	name net.Addr
}

func (c fakeTunnel) WriteTo(b []byte, _ net.Addr) (int, error) {
	return c.PacketConn.WriteTo(b, c.peer)
}

func (c fakeTunnel) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := c.PacketConn.ReadFrom(b)
	return n, c.name, err
}

// walled is a viewer whose network may block UDP, with tunnels to an edge.
type walled struct {
	*member
	blocked atomic.Bool
	noHTTP  bool
	dialled int // tunnels
}

// connectTime is what a TCP connection and an upgrade to a WebSocket take: three round trips of 20 ms.
const connectTime = 60 * time.Millisecond

func (w *world) walled(edge *member, blocked bool) *walled {
	v := new(walled)
	v.blocked.Store(blocked)
	v.member = w.joinAs(wire.RoleViewer, func(cfg *HostConfig) {
		cfg.Conn = wall{cfg.Conn, &v.blocked}
		cfg.DialTunnel = func(_ context.Context, url string, remote netip.AddrPort) (net.PacketConn, error) {
			v.dialled++
			time.Sleep(connectTime)
			if v.noHTTP || url != "http://edge.example:7180" {
				return nil, errors.New("nobody answers at " + url)
			}
			near, far := w.socket(), w.socket()
			if err := edge.host.AddTunnel(fakeTunnel{far, near.LocalAddr(), near.LocalAddr()}); err != nil {
				return nil, err
			}
			return fakeTunnel{near, far.LocalAddr(), net.UDPAddrFromAddrPort(remote)}, nil
		}
	})
	return v
}

// meet introduces an edge as the tracker does.
func (v *walled) meet(edge *member) {
	_ = v.swarm.Introduce(v.host.Infos([]signal.PeerInfo{{
		ID: edge.info.ID, Role: wire.RoleEdge, Addrs: edge.info.Addrs, HTTPURL: "http://edge.example:7180",
	}}))
}

func (v *walled) path() (path, reason string) {
	sessions := v.swarm.Stats().Sessions
	if len(sessions) != 1 {
		return "", ""
	}
	return sessions[0].Path, sessions[0].Reason
}

// broadcasting runs a source and an edge, and a stream of n frames, 25 a second.
func (w *world) broadcasting(n int) (source, edge *member, over <-chan struct{}) {
	source, edge = w.join(wire.RoleSource), w.join(wire.RoleEdge)
	source.know(edge)
	end := make(chan struct{})
	go func() { defer close(end); w.broadcast(source, n) }()
	time.Sleep(2 * time.Second)
	return source, edge, end
}

// Where UDP is blocked the stream comes through a tunnel, soon; and over UDP as soon as that works again. Nothing is
// missed.
func TestBlockedUDP(t *testing.T) {
	for _, tt := range []struct {
		name  string
		known bool          // the tracker's UDP port has not answered
		first time.Duration // at most, from being told of the edge
	}{
		{"nothing known before", false, tunnelDelay + 2*connectTime + 200*time.Millisecond},
		{"the tracker was silent", true, 2*connectTime + 200*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				const frames = 1500
				source, edge, over := w.broadcasting(frames)
				v := w.walled(edge, true)
				v.host.tunnels.heardUDP(!tt.known)
				v.meet(edge)
				time.Sleep(5 * time.Second)
				if first := v.swarm.Stats().FirstFragment; first == 0 || first > tt.first {
					t.Errorf("the first fragment came after %v", first)
				}
				if path, reason := v.path(); path != signal.PathTunnel || reason == "" {
					t.Errorf("the path is %q: %q", path, reason)
				}
				if path := edge.swarm.Stats(); !containsPath(path, signal.PathTunnel) {
					t.Errorf("the edge does not know of the tunnel: %+v", path.Sessions)
				}
				v.blocked.Store(false)
				time.Sleep(udpRetry + tunnelLinger)
				if path, _ := v.path(); path != signal.PathEdge || containsPath(edge.swarm.Stats(), signal.PathTunnel) {
					t.Errorf("with UDP again the path is %q", path)
				}
				if len(v.host.tunnels.open) != 0 || v.dialled != 1 {
					t.Errorf("%d tunnels are open, %d were opened", len(v.host.tunnels.open), v.dialled)
				}
				<-over
				time.Sleep(2 * time.Second)
				v.check(t, "the viewer", 1, frames-1)
				if st := v.swarm.Stats(); st.FragmentsMissed != 0 || st.Stalls != 0 {
					t.Errorf("%d missed, %d stalls", st.FragmentsMissed, st.Stalls)
				}
				closeAll(v.member, edge, source)
			})
		})
	}
}

func containsPath(st Stats, path string) bool {
	for _, s := range st.Sessions {
		if s.Path == path {
			return true
		}
	}
	return false
}

// Where UDP is blocked while the stream plays, a tunnel takes over: late, but without a gap.
func TestUDPBlockedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const frames = 1500
		source, edge, over := w.broadcasting(frames)
		v := w.walled(edge, false)
		v.meet(edge)
		time.Sleep(5 * time.Second)
		if path, _ := v.path(); path != signal.PathEdge || v.dialled != 0 {
			t.Fatalf("the path is %q, %d tunnels were opened", path, v.dialled)
		}
		v.blocked.Store(true)
		time.Sleep(silentPath + 2*linkInterval)
		if path, _ := v.path(); path != signal.PathTunnel || v.dialled != 1 {
			t.Errorf("the path is %q, %d tunnels were opened", path, v.dialled)
		}
		<-over
		time.Sleep(2 * time.Second)
		v.check(t, "the viewer", 1, frames-1)
		if st := v.swarm.Stats(); st.FragmentsMissed != 0 {
			t.Errorf("%d missed", st.FragmentsMissed)
		}
		closeAll(v.member, edge, source)
	})
}

// Where neither works, the dial ends in time, and nothing is left of it.
func TestNothingWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		source, edge, over := w.broadcasting(100)
		v := w.walled(edge, true)
		v.noHTTP = true
		v.meet(edge)
		<-over
		begin := time.Now()
		_, err := v.host.race(t.Context(), edge.info)
		if err == nil || time.Since(begin) > tunnelTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if len(v.host.tunnels.open) != 0 {
			t.Errorf("%d tunnels are open", len(v.host.tunnels.open))
		}
		closeAll(v.member, edge, source)
	})
}

// The addresses of edges that are remembered are bounded.
func TestEdgeURLs(t *testing.T) {
	tunnels := newTunnels()
	for i := range 2 * maxEdgeURLs {
		tunnels.learn(wire.PeerID{byte(i), 1}, "http://edge.example")
	}
	if n := len(tunnels.urls); n != maxEdgeURLs {
		t.Errorf("%d are kept", n)
	}
	tunnels.learn(wire.PeerID{255, 1}, "http://edge2.example")
	if tunnels.url(wire.PeerID{255, 1}) != "http://edge2.example" {
		t.Error("the newest is not kept")
	}
}
