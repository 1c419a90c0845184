// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// roamer is a PacketConn whose address changes: it writes to the newest of its sockets, or to the one that a destination
// is reached by, and reads from all.
type roamer struct {
	net.PacketConn // the first, for its address and deadlines
	mu             sync.Mutex
	current        net.PacketConn
	all            []net.PacketConn
	routes         map[string]net.PacketConn // by destination
	in             chan packetFrom
	done           chan struct{}
	readers        sync.WaitGroup
}

type packetFrom struct {
	b    []byte
	addr net.Addr
}

func newRoamer(pc net.PacketConn) *roamer {
	r := &roamer{PacketConn: pc, in: make(chan packetFrom, 1000), done: make(chan struct{}), routes: map[string]net.PacketConn{}}
	r.move(pc)
	return r
}

func (r *roamer) move(pc net.PacketConn) {
	r.also(pc)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = pc
}

// route makes pc the socket by which a destination is reached.
func (r *roamer) route(to netip.AddrPort, pc net.PacketConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes[to.String()] = pc
}

// also adds a socket to read from.
func (r *roamer) also(pc net.PacketConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, pc)
	r.readers.Go(func() {
		for {
			b := make([]byte, 2048)
			n, addr, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			select {
			case r.in <- packetFrom{b[:n], addr}:
			case <-r.done:
				return
			}
		}
	})
}

func (r *roamer) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-r.in:
		return copy(b, p.b), p.addr, nil
	case <-r.done:
		return 0, nil, net.ErrClosed
	}
}

func (r *roamer) WriteTo(b []byte, to net.Addr) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pc := r.routes[to.String()]; pc != nil {
		return pc.WriteTo(b, to)
	}
	return r.current.WriteTo(b, to)
}

func (r *roamer) Close() error {
	close(r.done)
	for _, pc := range r.all {
		pc.Close()
	}
	r.readers.Wait()
	return nil
}

// A session goes on when either side, or one after the other, gets another address; nothing is lost.
func TestAddressChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		var ends [2]*Endpoint
		var roam [2]*roamer
		var hosts [2]*simnet.Host
		for i := range ends {
			h, pc := w.host(near, near)
			hosts[i], roam[i] = h, newRoamer(pc)
			ends[i] = start(t, roam[i], nil)
			w.all = append(w.all, ends[i])
		}
		ca, cb := connect(t, ends[0], ends[1])
		ctx := ctxFor(t, time.Minute)
		const count = 3000
		slowly := func(ch *Channel) <-chan error {
			done := make(chan error, 1)
			go func() {
				for i := range count {
					time.Sleep(4 * time.Millisecond)
					if err := ch.Send(ctx, numbered(i, 4000)); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			return done
		}
		up, down := slowly(ca.Channel(1)), slowly(cb.Channel(1))
		go func() {
			for i := range 4 { // either side in turn, to another host, and once more
				time.Sleep(2 * time.Second)
				old := hosts[i%2]
				h, pc := w.host(near, near)
				hosts[i%2] = h
				roam[i%2].move(pc)
				old.Down(true)
			}
		}()
		both := make(chan error, 1)
		go func() { both <- recvNumbered(ctx, ca.Channel(1), count, 4000) }()
		if err := recvNumbered(ctx, cb.Channel(1), count, 4000); err != nil {
			t.Fatal(err)
		}
		for _, c := range []<-chan error{both, up, down} {
			if err := <-c; err != nil {
				t.Fatal(err)
			}
		}
		if a, b := ca.Stats().Moves, cb.Stats().Moves; a != 2 || b != 2 {
			t.Errorf("%d and %d moves were seen", a, b)
		}
	})
}

// A datagram that somebody else sends on from another address moves nothing: the challenge goes unanswered.
func TestForwardedDatagramsMoveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		attacker := w.raw()
		b, _ := w.endpoint(near, nil)
		stolen := false
		a := w.tapped(near, func(d []byte) [][]byte {
			if stolen && d[0] == typeData {
				writeTo(t, attacker, d, b.LocalAddr())
				return nil
			}
			return [][]byte{d}
		}, nil)
		ca, cb := connect(t, a, b)
		w.taps.Lock()
		stolen = true
		w.taps.Unlock()
		ctx := ctxFor(t, 5*time.Second)
		sent := sendNumbered(ctx, ca.Channel(1), 50, 4000)
		if err := recvNumbered(ctx, cb.Channel(1), 50, 4000); err != nil { // the seal is genuine
			t.Fatal(err)
		}
		<-sent
		if cb.RemoteAddr() != a.LocalAddr() || cb.Stats().Moves != 0 {
			t.Errorf("the session has moved to %v", cb.RemoteAddr())
		}
	})
}
