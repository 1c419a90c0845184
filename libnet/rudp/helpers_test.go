// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2plive/libnet/simnet"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func newIdentity(t testing.TB) Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// start runs an endpoint on pc; change may adjust its configuration.
func start(t testing.TB, pc net.PacketConn, change func(*Config)) *Endpoint {
	t.Helper()
	cfg := Config{Identity: newIdentity(t)}
	if change != nil {
		change(&cfg)
	}
	e, err := Listen(pc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// loopback runs an endpoint on a real socket that is closed with the test.
func loopback(t testing.TB, change func(*Config)) *Endpoint {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, pc, change)
	t.Cleanup(func() { e.Close() })
	return e
}

// world is a simulated network for a test in virtual time.
type world struct {
	t    testing.TB
	net  *simnet.Network
	taps sync.Mutex // held in every tap's hook
	last byte
	all  []*Endpoint
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{t: t, net: simnet.New(seed)}
}

func (w *world) close() {
	for _, e := range w.all {
		e.Close()
	}
	w.net.Close()
}

func (w *world) host(up, down simnet.Link) (*simnet.Host, net.PacketConn) {
	w.t.Helper()
	w.last++
	h, err := w.net.Host(netip.AddrFrom4([4]byte{192, 0, 2, w.last}), up, down)
	if err != nil {
		w.t.Fatal(err)
	}
	pc, err := h.ListenPacket(7100)
	if err != nil {
		w.t.Fatal(err)
	}
	return h, pc
}

func (w *world) endpoint(link simnet.Link, change func(*Config)) (*Endpoint, *simnet.Host) {
	h, pc := w.host(link, link)
	e := start(w.t, pc, change)
	w.all = append(w.all, e)
	return e, h
}

func ctxFor(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// connect opens a session from a to b and gives both ends.
func connect(t testing.TB, a, b *Endpoint) (*Conn, *Conn) {
	t.Helper()
	ctx := ctxFor(t, 10*time.Second)
	ca, err := a.Dial(ctx, b.LocalAddr(), b.ID())
	if err != nil {
		t.Fatal(err)
	}
	cb, err := b.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if cb.Peer() != a.ID() || ca.Peer() != b.ID() {
		t.Fatalf("peers %v and %v, want %v and %v", cb.Peer(), ca.Peer(), a.ID(), b.ID())
	}
	return ca, cb
}

// numbered is a message of n bytes that carries its number.
func numbered(i, n int) []byte {
	msg := make([]byte, max(n, 8))
	binary.BigEndian.PutUint64(msg, uint64(i))
	for j := 8; j < len(msg); j++ {
		msg[j] = byte(i + j)
	}
	return msg
}

// checkNumbered tells what is wrong with a message made by numbered.
func checkNumbered(msg []byte, i, n int) error {
	if len(msg) != max(n, 8) {
		return fmt.Errorf("message %d has %d bytes, want %d", i, len(msg), max(n, 8))
	}
	if got := binary.BigEndian.Uint64(msg); got != uint64(i) {
		return fmt.Errorf("message %d came, want %d", got, i)
	}
	for j := 8; j < len(msg); j++ {
		if msg[j] != byte(i+j) {
			return fmt.Errorf("message %d differs at byte %d", i, j)
		}
	}
	return nil
}

// sendNumbered sends count messages; its error goes to the channel returned.
func sendNumbered(ctx context.Context, ch *Channel, count, size int) <-chan error {
	done := make(chan error, 1)
	go func() {
		for i := range count {
			if err := ch.Send(ctx, numbered(i, size)); err != nil {
				done <- fmt.Errorf("send %d: %w", i, err)
				return
			}
		}
		done <- nil
	}()
	return done
}

// recvNumbered receives count messages and checks their order and content.
func recvNumbered(ctx context.Context, ch *Channel, count, size int) error {
	for i := range count {
		msg, err := ch.Recv(ctx)
		if err != nil {
			return fmt.Errorf("receive %d: %w", i, err)
		}
		if err := checkNumbered(msg, i, size); err != nil {
			return err
		}
	}
	return nil
}

// tap is a net.PacketConn that shows each datagram that is written, and sends what the hook makes of it.
type tap struct {
	net.PacketConn
	mu      *sync.Mutex
	onWrite func(b []byte) [][]byte
}

func (p *tap) WriteTo(b []byte, addr net.Addr) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.onWrite(b) {
		if _, err := p.PacketConn.WriteTo(d, addr); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// tapped runs an endpoint whose datagrams pass the hook.
func (w *world) tapped(link simnet.Link, onWrite func(b []byte) [][]byte, change func(*Config)) *Endpoint {
	_, pc := w.host(link, link)
	e := start(w.t, &tap{pc, &w.taps, onWrite}, change)
	w.all = append(w.all, e)
	return e
}

// raw is a bare socket in the simulated network, for an attacker.
func (w *world) raw() net.PacketConn {
	_, pc := w.host(simnet.Link{}, simnet.Link{})
	return pc
}

func writeTo(t testing.TB, pc net.PacketConn, b []byte, to netip.AddrPort) {
	t.Helper()
	if _, err := pc.WriteTo(b, net.UDPAddrFromAddrPort(to)); err != nil {
		t.Fatal(err)
	}
}

// tables counts what an endpoint still knows of its sessions.
func tables(e *Endpoint) int {
	e.mu.RLock()
	n := len(e.conns) + len(e.initiations) + e.halfOpen.Len() + e.sessions
	e.mu.RUnlock()
	e.timers.mu.Lock()
	defer e.timers.mu.Unlock()
	return n + len(e.timers.queue)
}
