// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"net/netip"
	"testing"
	"time"
)

// steppedPair is two hosts in a stepped network, 30 ms apart, the second one behind a NAT.
func steppedPair(t *testing.T, conf NATConfig) (n *Network, outside, inside *Conn, box *NAT) {
	t.Helper()
	n = NewStepped(1)
	t.Cleanup(func() { n.Close() })
	a, err := n.Host(netip.MustParseAddr("198.51.100.1"), Link{Delay: 10 * time.Millisecond}, Link{})
	check(t, err)
	box, err = n.NAT(netip.MustParseAddr("203.0.113.1"), conf, Link{}, Link{Delay: 20 * time.Millisecond})
	check(t, err)
	b, err := box.Host(netip.MustParseAddr("192.168.1.2"), Link{}, Link{})
	check(t, err)
	listen := func(h *Host) *Conn {
		pc, err := h.ListenPacket(7000)
		check(t, err)
		return pc.(*Conn)
	}
	return n, listen(a), listen(b), box
}

func TestStepped(t *testing.T) {
	n, outside, inside, _ := steppedPair(t, NAT1())
	var b [10]byte
	_, err := inside.WriteToUDPAddrPort([]byte("out"), outside.local)
	check(t, err)
	n.Advance(0)
	size, from, ok := outside.TryRead(b[:])
	if !ok || string(b[:size]) != "out" || n.Now() != 0 {
		t.Fatalf("%q, %v at %v", b[:size], ok, n.Now())
	}
	_, err = outside.WriteToUDPAddrPort([]byte("back"), from)
	check(t, err)
	for _, want := range []time.Duration{10 * time.Millisecond, 30 * time.Millisecond} {
		if _, _, ok := inside.TryRead(b[:]); ok {
			t.Errorf("read at %v", n.Now())
		}
		at, ok := n.Next()
		if !ok || at > want {
			t.Fatalf("next is at %v, %v", at, ok)
		}
		n.Advance(want)
	}
	if size, _, ok := inside.TryRead(b[:]); !ok || string(b[:size]) != "back" {
		t.Errorf("%q, %v", b[:size], ok)
	}
	if at, ok := n.Next(); ok {
		t.Errorf("something is due at %v", at)
	}
	balance(t, n)
}

// TestTTL: a datagram with a low time to live opens the NAT, and does not cross the network.
func TestTTL(t *testing.T) {
	n, outside, inside, box := steppedPair(t, NAT1())
	for ttl, mappings := range map[int]int{1: 0, 2: 1, 3: 1} {
		box.Flush()
		_, err := inside.WriteToTTL([]byte("x"), outside.local, ttl)
		check(t, err)
		n.Advance(n.Now() + time.Second)
		if got := box.Stats().Mappings; got != mappings {
			t.Errorf("time to live %d: %d mappings", ttl, got)
		}
		if _, _, ok := outside.TryRead(make([]byte, 1)); ok {
			t.Errorf("time to live %d: it came through", ttl)
		}
	}
	if got := n.Stats().Expired; got != 3 {
		t.Errorf("%d datagrams have expired", got)
	}
	_, err := inside.WriteToTTL([]byte("x"), outside.local, 2+coreHops)
	check(t, err)
	n.Advance(n.Now() + time.Second)
	if _, _, ok := outside.TryRead(make([]byte, 1)); !ok {
		t.Error("it did not come through")
	}
	balance(t, n)
}
