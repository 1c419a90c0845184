// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
	"p2plive/libnet/nat/natsim"
	"p2plive/libnet/rudp"
	"p2plive/libnet/simnet"
)

// meetingPoint is a tracker's part in hole punching, on a simulated network.
type meetingPoint struct {
	t     *testing.T
	net   *simnet.Network
	pc    net.PacketConn
	start time.Time
	wg    sync.WaitGroup

	mu    sync.Mutex
	meet  *nat.Rendezvous
	hosts map[[8]byte]*Host
}

const meetingAddr = "198.51.100.1:3478"

var halfLine = simnet.Link{Delay: 10 * time.Millisecond}

func newMeetingPoint(t *testing.T) *meetingPoint {
	t.Helper()
	m := &meetingPoint{
		t: t, net: simnet.New(1), start: time.Now(), hosts: make(map[[8]byte]*Host),
		meet: nat.NewRendezvous(nat.RendezvousConfig{}),
	}
	h, err := m.net.Host(netip.MustParseAddrPort(meetingAddr).Addr(), halfLine, halfLine)
	if err == nil {
		m.pc, err = h.ListenPacket(3478)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.wg.Go(m.serve)
	return m
}

func (m *meetingPoint) close() {
	m.pc.Close()
	m.wg.Wait()
	m.net.Close()
}

func (m *meetingPoint) serve() {
	var buf [1500]byte
	for {
		n, from, err := m.pc.ReadFrom(buf[:])
		if err != nil {
			return
		}
		m.mu.Lock()
		relays, reply := m.meet.Handle(time.Since(m.start), buf[:n], from.(*net.UDPAddr).AddrPort())
		for _, r := range relays {
			to := m.hosts[r.To]
			m.wg.Go(func() {
				time.Sleep(20 * time.Millisecond)
				to.HandlePunch(punchOf(r))
			})
		}
		m.mu.Unlock()
		if reply != nil {
			m.pc.WriteTo(reply, from)
		}
	}
}

// punchOf is what a tracker makes of a relay.
func punchOf(r nat.Relay) signal.Punch {
	return signal.Punch{
		Attempt: r.Attempt, Step: signal.PunchStep(r.Kind), Seen: r.Seen, Class: r.Class, Reason: r.Reason,
		Peer: signal.PeerInfo{ID: wire.PeerID(r.Peer), Role: wire.RoleViewer},
	}
}

// host makes a peer that is connected in a way.
func (m *meetingPoint) host(n byte, kind natsim.Kind) *Host {
	m.t.Helper()
	must := func(err error) {
		m.t.Helper()
		if err != nil {
			m.t.Fatal(err)
		}
	}
	public := netip.AddrFrom4([4]byte{203, 0, n, 1})
	at, err := (*simnet.Host)(nil), error(nil)
	if kind.NAT == nil {
		at, err = m.net.Host(public, halfLine, halfLine)
	} else {
		var box *simnet.NAT
		box, err = m.net.NAT(public, *kind.NAT, halfLine, halfLine)
		must(err)
		at, err = box.Host(netip.AddrFrom4([4]byte{192, 168, n, 2}), simnet.Link{}, simnet.Link{})
	}
	must(err)
	pc, err := at.ListenPacket(7100)
	must(err)
	identity, err := rudp.NewIdentity()
	must(err)
	h, err := NewHost(HostConfig{
		Conn: pc, Identity: identity, Logger: slog.New(slog.DiscardHandler),
		OpenSocket: func() (net.PacketConn, error) { return at.ListenPacket(0) },
	})
	must(err)
	h.punching.class = kind.Class
	key := nat.RequestKey{Tag: [8]byte{n}, Key: [32]byte{n}}
	m.mu.Lock()
	m.hosts[key.Tag] = h
	m.meet.Join(nat.Party{ID: nat.PeerKey(h.ID()), Key: key, Observed: public, Class: kind.Class})
	m.mu.Unlock()
	h.UseTracker(meetingAddr, key)
	return h
}

// connect lets one host dial another, and sends a message each way.
func connect(ctx context.Context, t *testing.T, asker, other *Host) (way, error) {
	t.Helper()
	conn, err := asker.reach(ctx, wire.PeerInfo{ID: other.ID(), Role: wire.RoleViewer})
	if err != nil {
		return way{}, err
	}
	asker.punching.watch(conn)
	accepted, err := other.endpoint.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	other.punching.watch(accepted)
	for _, c := range [][2]*rudp.Conn{{conn, accepted}, {accepted, conn}} {
		if err := c[0].Channel(1).TrySend([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := c[1].Recv(ctx); err != nil {
			t.Fatal(err)
		}
	}
	w, _ := asker.punching.reached(other.ID())
	if back, _ := other.punching.reached(asker.ID()); back.Path != w.Path {
		t.Errorf("one side calls the path %q, the other %q", w.Path, back.Path)
	}
	conn.Close("done")
	<-accepted.Done()
	return w, nil
}

func TestPunch(t *testing.T) {
	kinds := natsim.Kinds()
	open, nat3, random, sequential := kinds[0], kinds[4], kinds[5], kinds[6]
	for _, tt := range []struct {
		name         string
		asker, other natsim.Kind
		want         string // path; empty: none
	}{
		{"open and NAT3", open, nat3, signal.PathDirect},
		{"NAT3 and open", nat3, open, signal.PathDirect},
		{"NAT3 and NAT3", nat3, nat3, signal.PathPunched},
		{"masquerade and masquerade", natsim.Masquerade(), natsim.Masquerade(), signal.PathPunched},
		{"NAT3 and NAT4 sequential", nat3, sequential, signal.PathPredicted},
		{"NAT4 sequential and NAT3", sequential, nat3, signal.PathPredicted},
		{"NAT3 and NAT4 random", nat3, random, signal.PathPredicted},
		{"NAT4 random and NAT3", random, nat3, signal.PathPredicted},
		{"NAT4 random and NAT4 random", random, random, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMeetingPoint(t)
				asker, other := m.host(1, tt.asker), m.host(2, tt.other)
				// The host would greet who connects; here the test does.
				asker.cancel()
				other.cancel()
				for _, h := range []*Host{asker, other} {
					h.wg.Wait()
					h.ctx, h.cancel = context.WithCancel(context.Background())
				}
				got, err := connect(t.Context(), t, asker, other)
				if (err != nil) != (tt.want == "") || got.Path != tt.want {
					t.Errorf("path %+v, error %v", got, err)
				}
				time.Sleep(time.Minute)
				for _, h := range []*Host{asker, other} {
					p := h.punching
					p.mu.Lock()
					if len(p.attempts) > 0 || len(p.carrying) > 0 || p.asked > 0 || p.birthdays > 0 {
						t.Errorf("left behind: %d attempts, %d sockets", len(p.attempts), len(p.carrying))
					}
					p.mu.Unlock()
					h.Close("done")
				}
				m.close()
			})
		})
	}
}
