// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"container/list"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"p2plive/libnet/rudp/internal/cc"
	"p2plive/libnet/udp"
)

// sink is a socket that swallows what is written, and never has anything to read.
type sink struct{ net.PacketConn }

func (sink) LocalAddr() net.Addr                       { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7100} }
func (sink) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }

// still is an endpoint without goroutines, at a time of the test's choosing, with one open session.
func still(t testing.TB, id Identity, now time.Time) (*Endpoint, *Conn) {
	cfg, err := Config{Identity: id}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	sock, err := udp.New(sink{})
	if err != nil {
		t.Fatal(err)
	}
	e := &Endpoint{
		cfg: cfg, id: id.ID(), log: cfg.Logger, sock: sock, start: now, epoch: time.Duration(now.UnixNano()),
		flights: sync.Pool{New: func() any { return new(flight) }},
		pacing:  newPacing(time.Duration(now.UnixNano())),
		timers:  timerQueue{wake: make(chan struct{}, 1)},
		conns:   make(map[connID]*Conn), halfOpen: list.New(),
	}
	c := newConn(e, netip.MustParseAddrPort("192.0.2.2:7100"), PeerID{1}, now)
	if err := e.admit(c); err != nil {
		t.Fatal(err)
	}
	var keys sessionKeys
	for _, k := range []**keyChain{&keys.send, &keys.recv} {
		if *k, err = newKeyChain([32]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.open(7, keys, now); err != nil {
		t.Fatal(err)
	}
	return e, c
}

// Whatever a peer seals, to a session with data of its own under way, breaks nothing: neither the session's bounds nor
// its locks, and what is left of the session can be used or has an error.
func FuzzSession(f *testing.F) {
	id := newIdentity(f)
	segments := testSegments(f, 7, bytes.Repeat([]byte("x"), 900))
	frames := append([]byte{frameSegments, byte(len(segments) >> 8), byte(len(segments))}, segments...)
	f.Add(frames, frames)
	f.Add(appendPing(frames, framePing, 1), appendPing(nil, frameChallenge, 2))
	f.Add(appendClose(appendPing(nil, framePong, 1), 1, "why"), frames)
	f.Add(appendPing(nil, frameResponse, 9), []byte{framePadding})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		now := time.Now()
		e, c := still(t, id, now)
		for i := range ChannelID(3) {
			if err := c.Channel(6 + i).TrySend(make([]byte, 3000)); err != nil {
				t.Fatal(err)
			}
		}
		for i, b := range [][]byte{first, second, first} {
			now = now.Add(30 * time.Millisecond)
			if len(b) > maxFrames {
				b = b[:maxFrames]
			}
			c.use(grant{c, cc.Class(Newest), 1 << 16}, now)
			c.mu.Lock()
			if c.state == stateOpen {
				c.takeFrames(bytes.Clone(b), netip.AddrPortFrom(c.addr.Addr(), uint16(7100+i)), now)
			}
			c.mu.Unlock()
			c.endBatch(now)
			c.onTimer(now)
			for {
				c.mu.Lock()
				m, ok := c.nextMessage()
				c.mu.Unlock()
				if !ok {
					break
				}
				if len(m.Data) == 0 || len(m.Data) > MaxMessage {
					t.Fatalf("a message of %d bytes", len(m.Data))
				}
			}
			if len(c.channels) > maxChannels || c.out.flight != nil {
				t.Fatalf("%d channels, %d datagrams not written", len(c.channels), c.out.count)
			}
		}
		c.Close("")
		for range closeRepeats + 1 { // its farewells
			now = now.Add(closeInterval)
			c.onTimer(now)
		}
		if n := len(e.conns) + e.sessions + len(e.timers.queue); n != 0 {
			t.Fatalf("%d entries are left", n)
		}
	})
}
