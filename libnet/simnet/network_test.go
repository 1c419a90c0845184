// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestHostAddresses(t *testing.T) {
	n := newNetwork(t, 1)
	newTestHost(t, n, addrA, Link{}, Link{})
	bad := map[string]netip.Addr{
		"none": {}, "unspecified": netip.IPv4Unspecified(), "multicast": netip.MustParseAddr("224.0.0.1"),
		"taken": addrA, "taken, IPv4 in IPv6": netip.AddrFrom16(addrA.As16()),
	}
	for name, a := range bad {
		if _, err := n.Host(a, Link{}, Link{}); err == nil {
			t.Errorf("%s: accepted %v", name, a)
		}
	}
}

func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 1)
		a := newTestHost(t, n, addrA, Link{Delay: ms}, Link{})
		newTestHost(t, n, addrB, Link{}, Link{Delay: ms})
		c := listen(t, a, 0)
		write(t, c, []byte("no host"), &net.UDPAddr{IP: addrC.AsSlice(), Port: 1})
		write(t, c, []byte("no socket"), &net.UDPAddr{IP: addrB.AsSlice(), Port: 1})
		time.Sleep(time.Second)
		if got := a.Stats().Unreachable; got != 2 {
			t.Errorf("%d unreachable, want 2", got)
		}
		balance(t, n)
	})
}

// TestDown: a host that is cut off neither sends nor receives, its loopback works, and what
// passed the cut before goes on.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 1)
		a := newTestHost(t, n, addrA, Link{Delay: 10 * ms}, Link{})
		b := newTestHost(t, n, addrB, Link{Delay: 10 * ms}, Link{Delay: 10 * ms})
		from, to := listen(t, a, 0), listen(t, b, 0)

		write(t, from, []byte("passed the cut"), to.LocalAddr())
		time.Sleep(15 * ms)
		write(t, from, []byte("in the cable"), to.LocalAddr())
		a.Down(true)
		write(t, from, []byte("after the cut"), to.LocalAddr())
		write(t, to, []byte("towards it"), from.LocalAddr())
		write(t, from, []byte("to itself"), from.LocalAddr())
		if got := drain(t, to); len(got) != 1 || got[0].payload != "passed the cut" {
			t.Errorf("B received %+v", got)
		}
		if got := drain(t, from); len(got) != 1 || got[0].payload != "to itself" {
			t.Errorf("A received %+v", got)
		}
		if got := a.Stats().CutOff; got != 3 {
			t.Errorf("%d cut off, want 3", got)
		}

		a.Down(false)
		write(t, from, []byte("again"), to.LocalAddr())
		if got := drain(t, to); len(got) != 1 || got[0].after != 20*ms {
			t.Errorf("B received %+v", got)
		}
		balance(t, n)
	})
}

// TestPathIsPerPair: a path slows its two hosts, in both directions, and nobody else.
func TestPathIsPerPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 1)
		conns := make(map[netip.Addr]*Conn)
		for _, a := range []netip.Addr{addrA, addrB, addrC} {
			conns[a] = listen(t, newTestHost(t, n, a, Link{Delay: ms}, Link{}), 0)
		}
		n.SetPath(addrA, addrB, Link{Delay: 30 * ms})
		n.SetPath(addrB, addrA, Link{Delay: 50 * ms}) // replaces both directions
		for pair, want := range map[[2]netip.Addr]time.Duration{
			{addrA, addrB}: 51 * ms, {addrB, addrA}: 51 * ms, {addrA, addrC}: ms, {addrC, addrB}: ms,
		} {
			write(t, conns[pair[0]], []byte("x"), conns[pair[1]].LocalAddr())
			got := drain(t, conns[pair[1]])
			if len(got) != 1 || got[0].after != want {
				t.Errorf("%v: %+v, want after %v", pair, got, want)
			}
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a := newTestHost(t, n, addrA, Link{Delay: time.Hour, Rate: 1e6}, Link{})
		c, idle := listen(t, a, 0), listen(t, a, 0)
		for range 10 {
			write(t, c, make([]byte, 1000), &net.UDPAddr{IP: addrB.AsSlice(), Port: 1})
		}
		failed := make(chan error)
		go func() {
			_, _, err := idle.ReadFrom(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		check(t, n.Close())
		check(t, n.Close())
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a waiting read ended with %v", err)
		}
		if _, err := c.WriteTo(nil, c.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		if _, err := a.ListenPacket(0); !errors.Is(err, net.ErrClosed) {
			t.Errorf("listen: %v", err)
		}
		if _, err := n.Host(addrB, Link{}, Link{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("host: %v", err)
		}
	})
}

// TestRealTime: outside a bubble nothing arrives early.
func TestRealTime(t *testing.T) {
	n := newNetwork(t, 1)
	a := newTestHost(t, n, addrA, Link{Delay: 5 * ms}, Link{})
	b := newTestHost(t, n, addrB, Link{}, Link{Delay: 5 * ms})
	from, to := listen(t, a, 0), listen(t, b, 0)
	start := time.Now()
	write(t, from, []byte("x"), to.LocalAddr())
	if _, _, err := to.ReadFrom(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 10*ms {
		t.Errorf("arrived after %v, want at least 10 ms", took)
	}
}

func BenchmarkDatagram(b *testing.B) {
	n := newNetwork(b, 1)
	line := Link{Loss: 0.01, Rate: 1e12}
	from := listen(b, newTestHost(b, n, addrA, line, line), 1)
	to := listen(b, newTestHost(b, n, addrB, line, line), 2)
	check(b, to.SetReadBuffer(maxQueue))
	payload := make([]byte, 1200)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := from.WriteToUDPAddrPort(payload, to.local); err != nil {
			b.Fatal(err)
		}
		check(b, to.SetReadDeadline(time.Time{}))
		for {
			p, _, _, err := to.take()
			check(b, err)
			if p == nil {
				break
			}
			p.release()
		}
	}
}
