// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/wire"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
	"p2plive/libnet/simnet"
)

func TestSlept(t *testing.T) {
	for _, tt := range []struct {
		name            string
		monotonic, wall time.Duration
		want            bool
	}{
		{"awake", time.Second, time.Second, false},
		{"a busy machine", 2500 * time.Millisecond, 2500 * time.Millisecond, false},
		{"asleep, and one clock stood still", time.Second, time.Hour, true},
		{"asleep, and both went on", time.Hour, time.Hour, true},
		{"stopped", 10 * time.Second, 10 * time.Second, true},
		{"the clock was set back", time.Second, -time.Hour, false},
	} {
		if got := slept(tt.monotonic, tt.wall); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// stunServer runs a server of RFC 5780 with two ports, and gives what ends it.
func (w *world) stunServer(addr string) func() {
	w.t.Helper()
	at := netip.MustParseAddrPort(addr)
	host, err := w.net.Host(at.Addr(), testLink, testLink)
	if err != nil {
		w.t.Fatal(err)
	}
	var sockets nat.Sockets
	for p := range sockets[0] {
		if sockets[0][p], err = host.ListenPacket(at.Port() + uint16(p)); err != nil {
			w.t.Fatal(err)
		}
	}
	server, err := nat.NewServer(nat.ServerOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	served := make(chan error)
	go func() { served <- server.ServeSockets(ctx, sockets) }()
	return func() { cancel(); <-served }
}

// behind has a host sit behind a NAT of its own.
func (w *world) behind(conf simnet.NATConfig) func(*HostConfig) {
	w.t.Helper()
	box, err := w.net.NAT(netip.MustParseAddr("198.51.100.7"), conf, testLink, testLink)
	if err != nil {
		w.t.Fatal(err)
	}
	inside, err := box.Host(netip.MustParseAddr("192.168.1.2"), simnet.Link{}, simnet.Link{})
	if err != nil {
		w.t.Fatal(err)
	}
	return func(cfg *HostConfig) {
		cfg.Conn.Close()
		if cfg.Conn, err = inside.ListenPacket(1000); err != nil {
			w.t.Fatal(err)
		}
		cfg.OpenSocket = func() (net.PacketConn, error) { return inside.ListenPacket(0) }
	}
}

// An idle host sends only as often as its NAT needs it, once that is known, and its sessions live on.
func TestKeepAliveAdapts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		conf := simnet.NAT3()
		conf.Timeout = 20 * time.Second
		const server = "198.51.100.1:3478"
		defer w.stunServer(server)()
		identity, err := rudp.NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		silent, err := rudp.Listen(w.socket(), rudp.Config{
			Identity: identity, Profile: rudp.Server, KeepAlive: time.Hour, IdleTimeout: 2 * time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		v := w.joinAs(wire.RoleViewer, w.behind(conf))
		if _, err := v.host.DiscoverNAT(t.Context(), server); err != nil {
			t.Fatal(err)
		}
		if v.host.Class().Type != nat.TypeNAT3 {
			t.Fatalf("a %v", v.host.Class().Type)
		}
		conn, err := v.host.endpoint.Dial(t.Context(), silent.LocalAddr(), silent.ID())
		if err != nil {
			t.Fatal(err)
		}
		if err := v.host.AdaptKeepAlive(t.Context(), server); err != nil {
			t.Fatal(err)
		}
		before := conn.Stats().DatagramsOut
		time.Sleep(10 * time.Minute)
		// 17.5 s were seen to be outlived, of which 80% is 14 s.
		if n := conn.Stats().DatagramsOut - before; conn.Err() != nil || n < 30 || n > 60 {
			t.Errorf("%d datagrams in ten minutes, %v", n, conn.Err())
		}
		closeAll(v)
	})
}
