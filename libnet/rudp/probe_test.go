// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// moved is a world of two sides whose addresses change.
type moved struct {
	*world
	ends  [2]*Endpoint
	roam  [2]*roamer
	hosts [2]*simnet.Host
	conns [2]*Conn
}

func newMoved(t *testing.T) *moved {
	m := &moved{world: newWorld(t, 1)}
	for i := range m.ends {
		h, pc := m.host(near, near)
		m.hosts[i], m.roam[i] = h, newRoamer(pc)
		m.ends[i] = start(t, m.roam[i], nil)
		m.all = append(m.all, m.ends[i])
	}
	m.conns[0], m.conns[1] = connect(t, m.ends[0], m.ends[1])
	return m
}

// move gives a side another host with another line; the old one stays.
func (m *moved) move(side int, line simnet.Link) (old *simnet.Host) {
	h, pc := m.host(line, line)
	old, m.hosts[side] = m.hosts[side], h
	m.roam[side].move(pc)
	return old
}

// wantMet checks that each side sends to where the other one is.
func (m *moved) wantMet(t *testing.T) {
	t.Helper()
	if a, b := m.conns[0].RemoteAddr(), m.conns[1].RemoteAddr(); a != m.addr(1) || b != m.addr(0) {
		t.Errorf("the sides send to %v and %v, and are at %v and %v", a, b, m.addr(1), m.addr(0))
	}
}

// interfaces is a further address of each side.
type interfaces [2]struct {
	addr netip.AddrPort
	pc   net.PacketConn
}

// second gives both sides another address, beside the one that they have, for a path of its own.
func (m *moved) second(line simnet.Link) (added interfaces) {
	for i, r := range m.roam {
		h, pc := m.host(line, line)
		added[i].addr, added[i].pc = addrOf(h, 7100), pc
		r.also(pc)
	}
	m.roam[0].route(added[1].addr, added[0].pc)
	m.roam[1].route(added[0].addr, added[1].pc)
	return added
}

// onFirst is the path from the first socket of a session's endpoint.
func onFirst(c *Conn, to netip.AddrPort) Path { return Path{c.ep.Socket(), to} }

func (m *moved) addr(side int) netip.AddrPort { return addrOf(m.hosts[side], 7100) }

// exchange sends messages both ways for 6 s, and tells whether all have come, in order.
func (m *moved) exchange(t *testing.T) <-chan error {
	const count = 1500
	ctx := ctxFor(t, time.Minute)
	done := make(chan error, 1)
	var parts [4]<-chan error
	for i, c := range m.conns {
		sent, got := make(chan error, 1), make(chan error, 1)
		go func() {
			for n := range count {
				time.Sleep(4 * time.Millisecond)
				if err := c.Channel(1).Send(ctx, numbered(n, 4000)); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		go func() { got <- recvNumbered(ctx, c.Channel(1), count, 4000) }()
		parts[2*i], parts[2*i+1] = sent, got
	}
	go func() {
		var errs []error
		for _, p := range parts {
			errs = append(errs, <-p)
		}
		done <- errors.Join(errs...)
	}()
	return done
}

// Both sides change their address at the same moment. Where one of the old addresses still gets what is sent to it, the
// session finds its way by itself.
func TestBothMoveAndOneOldAddressStillReceives(t *testing.T) {
	for side := range 2 {
		synctest.Test(t, func(t *testing.T) {
			m := newMoved(t)
			defer m.close()
			all := m.exchange(t)
			time.Sleep(3 * time.Second)
			m.move(side, near)
			m.move(1-side, near).Down(true)
			if err := <-all; err != nil {
				t.Fatal(err)
			}
			m.wantMet(t)
		})
	}
}

// Where neither does, one side must be told the other's address by somebody else.
func TestBothMoveAndOneIsTold(t *testing.T) {
	for side := range 2 {
		synctest.Test(t, func(t *testing.T) {
			m := newMoved(t)
			defer m.close()
			all := m.exchange(t)
			time.Sleep(3 * time.Second)
			m.move(0, near).Down(true)
			m.move(1, near).Down(true)
			time.Sleep(5 * time.Second)
			c, to := m.conns[side], m.addr(1-side)
			if silent := c.Stats().Silent; silent < 4900*time.Millisecond || silent > 5*time.Second {
				t.Errorf("silent for %v", silent)
			}
			rtt, err := c.Probe(context.Background(), onFirst(c, to))
			if err != nil || rtt < 20*time.Millisecond || rtt > 21*time.Millisecond {
				t.Fatalf("round trip %v, %v", rtt, err)
			}
			if err := c.Move(context.Background(), onFirst(c, to)); err != nil {
				t.Fatal(err)
			}
			if err := <-all; err != nil {
				t.Fatal(err)
			}
			m.wantMet(t)
		})
	}
}

// A probe by itself moves neither side. After Move both are on the better path, in one step each, and nothing is sent
// again but what the faster path has overtaken.
func TestMoveToABetterPath(t *testing.T) {
	for side := range 2 {
		synctest.Test(t, func(t *testing.T) {
			m := newMoved(t)
			defer m.close()
			all := m.exchange(t)
			time.Sleep(3 * time.Second)
			before := m.addr(1 - side)
			fast := m.second(simnet.Link{Delay: time.Millisecond})
			to := fast[1-side].addr
			c, peer := m.conns[side], m.conns[1-side]
			rtt, err := c.Probe(context.Background(), onFirst(c, to))
			if err != nil || rtt < 4*time.Millisecond || rtt > 5*time.Millisecond {
				t.Fatalf("round trip %v, %v", rtt, err)
			}
			// Between two messages: what happens at one moment happens in any order, and with an acknowledgement that comes
			// after a timer more is repeated.
			time.Sleep(time.Second + 300*time.Microsecond)
			if c.RemoteAddr() != before || c.Stats().Moves+peer.Stats().Moves != 0 {
				t.Fatal("a probe has moved the session")
			}
			again, overtaken := c.Stats().Retransmits, c.Stats().InFlight
			if err := c.Move(context.Background(), onFirst(c, to)); err != nil {
				t.Fatal(err)
			}
			if err := <-all; err != nil {
				t.Fatal(err)
			}
			if c.RemoteAddr() != to || peer.RemoteAddr() != fast[side].addr || c.Stats().Moves != 1 || peer.Stats().Moves != 1 {
				t.Errorf("at %v and %v after %d and %d moves", c.RemoteAddr(), peer.RemoteAddr(), c.Stats().Moves, peer.Stats().Moves)
			}
			if n := c.Stats().Retransmits - again; n > uint64(overtaken) {
				t.Errorf("%d segments were sent again, %d can have been overtaken", n, overtaken)
			}
		})
	}
}

// Two sides that choose different paths at the same time end on that of the dialler, and stay there.
func TestMovesThatCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoved(t)
		defer m.close()
		all := m.exchange(t)
		paths := [2]interfaces{m.second(near), m.second(near)} // the side that will choose each of them
		time.Sleep(3 * time.Second)
		for i, c := range m.conns {
			if _, err := c.Probe(context.Background(), onFirst(c, paths[i][1-i].addr)); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range m.conns {
			if err := c.Move(context.Background(), onFirst(c, paths[i][1-i].addr)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(4 * time.Second)
		moves := m.conns[0].Stats().Moves + m.conns[1].Stats().Moves
		if err := <-all; err != nil {
			t.Fatal(err)
		}
		if n := m.conns[0].Stats().Moves + m.conns[1].Stats().Moves; n != moves {
			t.Errorf("%d moves, then %d", moves, n)
		}
		if a, b := m.conns[0].RemoteAddr(), m.conns[1].RemoteAddr(); a != paths[0][1].addr || b != paths[0][0].addr {
			t.Errorf("the dialler sends to %v, the other side to %v", a, b)
		}
	})
}

// What Probe and Move refuse.
func TestProbeErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoved(t)
		defer m.close()
		c, nobody := m.conns[0], netip.MustParseAddrPort("192.0.2.99:9")
		begin := time.Now()
		if _, err := c.Probe(context.Background(), onFirst(c, nobody)); !errors.Is(err, ErrProbeTimeout) || time.Since(begin) != defaultHandshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := c.Move(context.Background(), onFirst(c, nobody)); !errors.Is(err, ErrProbeTimeout) {
			t.Error(err)
		}
		if _, err := c.Probe(context.Background(), onFirst(c, netip.AddrPort{})); err == nil {
			t.Error("no address was probed")
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, maxProbes)
		for range maxProbes {
			go func() {
				_, err := c.Probe(ctx, onFirst(c, nobody))
				ended <- err
			}()
		}
		synctest.Wait()
		if _, err := c.Probe(context.Background(), onFirst(c, m.addr(1))); !errors.Is(err, ErrTooManyProbes) {
			t.Error(err)
		}
		cancel()
		for range maxProbes {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if _, err := c.Probe(context.Background(), onFirst(c, m.addr(1))); err != nil {
			t.Error(err)
		}
		c.Close("")
		if _, err := c.Probe(context.Background(), onFirst(c, m.addr(1))); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := c.Move(context.Background(), onFirst(c, m.addr(1))); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// A path that does not carry full datagrams does not answer a probe.
func TestProbeOfANarrowPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		on := false
		a := w.tapped(near, narrow(1200-28, &on), nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)
		w.taps.Lock()
		on = true
		w.taps.Unlock()
		for _, c := range []*Conn{ca, cb} { // whichever direction it is
			if _, err := c.Probe(context.Background(), onFirst(c, c.RemoteAddr())); !errors.Is(err, ErrProbeTimeout) {
				t.Error(err)
			}
		}
	})
}
