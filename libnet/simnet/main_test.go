// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
	addrC = netip.MustParseAddr("192.0.2.3")
)

// newNetwork is closed when the test ends.
func newNetwork(t testing.TB, seed uint64) *Network {
	t.Helper()
	n := New(seed)
	t.Cleanup(func() { check(t, n.Close()) })
	return n
}

func newTestHost(t testing.TB, n *Network, a netip.Addr, up, down Link) *Host {
	t.Helper()
	h, err := n.Host(a, up, down)
	check(t, err)
	return h
}

func listen(t testing.TB, h *Host, port uint16) *Conn {
	t.Helper()
	c, err := h.ListenPacket(port)
	check(t, err)
	return c.(*Conn)
}

func write(t testing.TB, c *Conn, payload []byte, to net.Addr) {
	t.Helper()
	if n, err := c.WriteTo(payload, to); err != nil || n != len(payload) {
		t.Fatalf("WriteTo = %d, %v", n, err)
	}
}

// arrival is a datagram as a receiver saw it.
type arrival struct {
	payload string
	from    netip.AddrPort
	after   time.Duration // since the start of the test
}

// drain reads what arrives until nothing has for a minute.
func drain(t testing.TB, c *Conn) []arrival {
	t.Helper()
	start := time.Now()
	var all []arrival
	b := make([]byte, maxDatagram)
	for {
		check(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return all
		}
		all = append(all, arrival{string(b[:n]), from, time.Since(start)})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// balance checks that every datagram of a network at rest is accounted for.
func balance(t testing.TB, n *Network) {
	t.Helper()
	if left := n.InFlight(); left != 0 {
		t.Errorf("%d datagrams still in flight", left)
	}
	s := n.Stats()
	in := s.Sent + s.Duplicated
	out := s.Delivered + s.Lost + s.QueueDrops + s.SocketDrops + s.Unreachable + s.Blocked + s.Expired + s.CutOff
	if in != out {
		t.Errorf("sent and duplicated %d, accounted for %d: %+v", in, out, s)
	}
}
