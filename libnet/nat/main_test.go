// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"p2plive/libnet/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// packetSender is a Sender over a net.PacketConn.
type packetSender struct{ net.PacketConn }

func (s packetSender) WriteTo(b []byte, to netip.AddrPort) (int, error) {
	return s.PacketConn.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// newTestClient is a client on pc, fed with what pc receives until the test ends.
func newTestClient(t testing.TB, pc net.PacketConn) *Client {
	t.Helper()
	c := NewClient(packetSender{pc})
	var feeding sync.WaitGroup
	feeding.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			c.HandlePacket(buf[:n], from.(*net.UDPAddr).AddrPort())
			clear(buf[:n]) // it must not have been kept
		}
	})
	t.Cleanup(func() {
		if err := pc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		feeding.Wait()
	})
	return c
}

func newTestServer(t testing.TB, opts ServerOptions) *Server {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	s, err := NewServer(opts)
	check(t, err)
	return s
}

// serve runs s on pc until the test ends.
func serve(t testing.TB, s *Server, pc net.PacketConn) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, pc) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve ended with %v", err)
		}
		check(t, pc.Close())
	})
}

// newTestNetwork is closed when the test ends.
func newTestNetwork(t testing.TB) *simnet.Network {
	t.Helper()
	n := simnet.New(1)
	t.Cleanup(func() { check(t, n.Close()) })
	return n
}

// socket is a socket of a new host behind a symmetric line.
func socket(t testing.TB, n *simnet.Network, addr string, line simnet.Link, port uint16) net.PacketConn {
	t.Helper()
	h, err := n.Host(netip.MustParseAddr(addr), line, line)
	check(t, err)
	pc, err := h.ListenPacket(port)
	check(t, err)
	return pc
}

func addrPort(pc net.PacketConn) netip.AddrPort { return pc.LocalAddr().(*net.UDPAddr).AddrPort() }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
