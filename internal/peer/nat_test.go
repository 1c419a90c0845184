// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"

	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
	"p2plive/libnet/simnet"
)

// TestDiscoverNAT: the tests run on the socket that carries the sessions.
func TestDiscoverNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		n := simnet.New(1)
		defer n.Close()
		tracker, err := n.Host(netip.MustParseAddr("198.51.100.1"), simnet.Link{}, simnet.Link{})
		must(err)
		var sockets nat.Sockets
		for p, number := range []uint16{3478, 3479} {
			sockets[0][p], err = tracker.ListenPacket(number)
			must(err)
		}
		server, err := nat.NewServer(nat.ServerOptions{Logger: slog.New(slog.DiscardHandler)})
		must(err)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- server.ServeSockets(ctx, sockets) }()

		router, err := n.NAT(netip.MustParseAddr("203.0.113.1"), simnet.NAT4(simnet.Sequential, 2), simnet.Link{}, simnet.Link{})
		must(err)
		home, err := router.Host(netip.MustParseAddr("192.168.1.2"), simnet.Link{}, simnet.Link{})
		must(err)
		pc, err := home.ListenPacket(5000)
		must(err)
		identity, err := rudp.NewIdentity()
		must(err)
		h, err := NewHost(HostConfig{
			Conn: pc, Identity: identity, Logger: slog.New(slog.DiscardHandler),
			OpenSocket: func() (net.PacketConn, error) { return home.ListenPacket(0) },
		})
		must(err)
		if got := h.NATStatus(); got != (NATStatus{Mapping: unknown, Filtering: unknown, Type: unknown}) {
			t.Errorf("before: %+v", got)
		}
		r, err := h.DiscoverNAT(t.Context(), "198.51.100.1:3478")
		must(err)
		if r.Allocation != nat.Sequential || r.Step != 2 {
			t.Errorf("found %+v", r)
		}
		want := NATStatus{Mapping: "address-and-port-dependent", Filtering: "address-and-port-dependent", Type: "NAT4"}
		if got := h.NATStatus(); got != want {
			t.Errorf("status %+v", got)
		}
		must(h.Close("done"))
		cancel()
		if err := <-served; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
