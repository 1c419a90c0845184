// SPDX-License-Identifier: GPL-3.0-or-later

package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"

	"p2plive/bench/internal/transport"
	"p2plive/libnet/rudp"
)

const (
	// forgedFrom is where a forged initiation stops being a copy of a genuine one: behind type and version.
	forgedFrom = 4
	// forgedLen random bytes make it a new one: a connection id and an ephemeral key.
	forgedLen = 40
	// floodTick is how often a batch goes out.
	floodTick = time.Millisecond
	// floodCatchUp bounds the ticks that are made up for at once.
	floodCatchUp = 10
)

// Flood says how much to send.
type Flood struct {
	Rate     int // datagrams per second
	Duration time.Duration
}

// Flooded is what a flood came to.
type Flooded struct {
	Sent int
	Took time.Duration
}

// Target says whom to flood.
type Target struct {
	Host    transport.Address
	Genuine int // initiations to make before the flood: each costs an attacker about as much as the host
}

// Prepare makes what a flood needs.
func (a *Agent) Prepare(t Target, _ *Nothing) error {
	genuine, err := initiations(a.ctx, t.Host, t.Genuine)
	if err != nil {
		return fmt.Errorf("make initiations: %w", err)
	}
	a.flooding = floodWriter{to: net.UDPAddrFromAddrPort(t.Host.Addr), genuine: genuine}
	return nil
}

// Flood sends initiations of rudp handshakes to the host of Prepare, each from another address of
// 127.0.0.0/8. Half of them are genuine ones, made before and used in turns; the other half are forged: the
// host has to do its part of the key exchange to find out.
func (a *Agent) Flood(f Flood, done *Flooded) error {
	pc, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	defer pc.Close()
	w := &a.flooding
	w.pc = ipv4.NewPacketConn(pc)
	start := time.Now()
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	for {
		elapsed := time.Since(start)
		if elapsed >= f.Duration {
			*done = Flooded{w.sent, elapsed}
			return nil
		}
		perTick := float64(f.Rate) * floodTick.Seconds()
		due := int(elapsed.Seconds()*float64(f.Rate)) - w.due
		w.due += due
		if err := w.send(min(due, int(perTick*floodCatchUp))); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			return context.Cause(a.ctx)
		}
	}
}

type floodWriter struct {
	pc        *ipv4.PacketConn
	to        net.Addr
	genuine   [][]byte
	batch     []ipv4.Message
	made      int
	sent, due int
}

func (w *floodWriter) send(n int) error {
	for len(w.batch) < n {
		w.batch = append(w.batch, ipv4.Message{Addr: w.to, Buffers: [][]byte{nil}})
	}
	for i := range w.batch[:n] {
		w.batch[i].Buffers[0] = w.initiation()
		w.batch[i].OOB = (&ipv4.ControlMessage{Src: spoofed().AsSlice()}).Marshal()
	}
	for rest := w.batch[:n]; len(rest) > 0; {
		sent, err := w.pc.WriteBatch(rest, 0)
		if err != nil {
			return fmt.Errorf("flood: %w", err)
		}
		w.sent += sent
		rest = rest[sent:]
	}
	return nil
}

func (w *floodWriter) initiation() []byte {
	w.made++
	b := w.genuine[w.made/2%len(w.genuine)]
	if w.made%2 == 0 {
		return b
	}
	b = append([]byte(nil), b...)
	for i := range min(forgedLen, len(b)-forgedFrom) {
		b[forgedFrom+i] = byte(rand.Uint32())
	}
	return b
}

// spoofed is an address outside those that guests use.
func spoofed() netip.Addr {
	r := rand.Uint32()
	return netip.AddrFrom4([4]byte{127, 64 + byte(r>>16)%128, byte(r >> 8), byte(r)})
}

// initiations makes the first datagrams of n handshakes with a host.
func initiations(ctx context.Context, host transport.Address, n int) ([][]byte, error) {
	peer, err := rudp.ParsePeerID(host.Key)
	if err != nil {
		return nil, err
	}
	id, err := rudp.NewIdentity()
	if err != nil {
		return nil, err
	}
	sink := &sink{written: make(chan []byte), closed: make(chan struct{})}
	e, err := rudp.Listen(sink, rudp.Config{Identity: id})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	made := make([][]byte, 0, n)
	for range n {
		dialling, cancel := context.WithCancel(ctx)
		var dial sync.WaitGroup
		dial.Go(func() { e.Dial(dialling, host.Addr, peer) })
		select {
		case b := <-sink.written:
			made = append(made, b)
		case <-ctx.Done():
		}
		cancel()
		dial.Wait()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// sink is a socket whose datagrams go to a channel, and to which none comes.
type sink struct {
	written chan []byte
	closed  chan struct{}
	once    sync.Once
}

func (s *sink) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case s.written <- append([]byte(nil), b...):
	case <-s.closed:
		return 0, net.ErrClosed
	case <-time.After(time.Millisecond): // a repetition, which nobody waits for
	}
	return len(b), nil
}

func (s *sink) ReadFrom([]byte) (int, net.Addr, error) {
	<-s.closed
	return 0, nil, net.ErrClosed
}

func (s *sink) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *sink) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

var errNoDeadline = errors.New("no deadlines")

func (s *sink) SetDeadline(time.Time) error      { return errNoDeadline }
func (s *sink) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (s *sink) SetWriteDeadline(time.Time) error { return errNoDeadline }
