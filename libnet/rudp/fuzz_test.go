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

	"p2plive/libnet/rudp/internal/arq"
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
	e := &Endpoint{
		cfg: cfg, id: id.ID(), log: cfg.Logger, start: now, epoch: time.Duration(now.UnixNano()),
		flights: sync.Pool{New: func() any { return new(flight) }},
		pacing:  newPacing(time.Duration(now.UnixNano())),
		gate:    newGate(now),
		timers:  timerQueue{wake: make(chan struct{}, 1)},
		conns:   make(map[connID]*Conn), halfOpen: list.New(),
		initiations: make(map[initiationKey]*Conn), inbound: make(chan *inbound, maxInbound), accept: make(chan *Conn, 1),
	}
	if e.main, err = e.newSocket(sink{}, nil); err != nil {
		t.Fatal(err)
	}
	e.keep.interval.Store(int64(cfg.KeepAlive))
	e.keep.idle.Store(int64(cfg.IdleTimeout))
	c := newConn(Path{e.main, netip.MustParseAddrPort("192.0.2.2:7100")}, PeerID{1}, now)
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
	segments := testSegments(f, bytes.Repeat([]byte("x"), 900))
	frames := segmentsFrame(7, segments)
	f.Add(frames, frames)
	f.Add(appendPing(frames, framePing, 1), appendPing(nil, frameChallenge, 2))
	f.Add(appendClose(appendPing(nil, framePong, 1), 1, "why"), frames)
	f.Add(appendPing(nil, frameResponse, 9), []byte{framePadding})
	parity := bytes.Clone(segments)
	parity[0], parity[1] = arq.CmdParity, 2
	f.Add(segmentsFrame(7, parity), frames)
	f.Add(appendPart(nil, frameHead, 9, frames[:500]), appendPart(nil, frameTail, 9, frames[500:]))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		now := time.Now()
		e, c := still(t, id, now)
		c.guard.share = mostRedundancy
		c.mtu.size = MaxDatagram
		c.resize(now)
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
				c.takeFrames(bytes.Clone(b), Path{e.main, netip.AddrPortFrom(c.path.Addr.Addr(), uint16(7100+i))}, now)
			}
			c.mu.Unlock()
			c.endBatch(now)
			c.mu.Lock()
			c.shrink(now) // segments under way are repeated in parts
			c.mu.Unlock()
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

// Whatever comes to the socket, from anybody: to an endpoint with an open session (1), one that is being dialled (2) and
// a responder at work. Nothing but what verifies changes the sessions, and the tables keep their bounds.
func FuzzDemux(f *testing.F) {
	id, stranger := newIdentity(f), newIdentity(f)
	begun, err := newInitiation(stranger, nil, 9, id.ID())
	if err != nil {
		f.Fatal(err)
	}
	datagram := func(frames []byte) []byte {
		key, err := newSealKey([32]byte{1})
		if err != nil {
			f.Fatal(err)
		}
		return key.seal(append(make([]byte, dataHeaderLen, BaseDatagram), frames...), 1, 5)
	}
	retry := append(appendHandshakeHeader(nil, typeRetry, 2), make([]byte, cookieLen)...)
	retry[retryLen-1] = 1
	response := append(appendHandshakeHeader(nil, typeResponse, 2), make([]byte, responseLen-respHeaderLen)...)
	f.Add(begun.datagram, retry)
	f.Add(response, datagram(appendPing(nil, frameChallenge, 1)))
	f.Add(datagram(appendClose(nil, 0, "")), datagram(nil))
	f.Add([]byte{0, 1}, []byte{typeRetry + 1})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		now := time.Now()
		e, c := still(t, id, now)
		delete(e.conns, c.local)
		c.local, e.conns[1] = 1, c
		dialling := newConn(Path{e.main, netip.MustParseAddrPort("192.0.2.3:7100")}, stranger.ID(), now)
		dialling.local, dialling.state, e.conns[2] = 2, stateDialing, dialling
		if dialling.dialing, err = newInitiation(id, nil, 2, stranger.ID()); err != nil {
			t.Fatal(err)
		}
		r := &reader{Socket: e.main}
		for i, b := range [][]byte{first, second, first} {
			if len(b) > MaxDatagram {
				b = b[:MaxDatagram]
			}
			b = bytes.Clone(b)
			r.take(udp.Message{Buf: b, Addr: netip.AddrPortFrom(c.path.Addr.Addr(), uint16(7100+i))}, now)
			for len(e.inbound) > 0 {
				e.respond(<-e.inbound, now)
			}
			for _, c := range r.touched {
				c.endBatch(now)
			}
			r.touched = r.touched[:0]
			now = now.Add(time.Millisecond)
		}
		if len(e.conns) > 5 || e.halfOpen.Len() > 3 || len(e.initiations) > 3 || dialling.state != stateDialing {
			t.Fatalf("%d sessions, %d half-open, %d initiations, dialling is %v",
				len(e.conns), e.halfOpen.Len(), len(e.initiations), dialling.state)
		}
		if n := len(dialling.dialing.datagram); n != BaseDatagram || dialling.dialing.cookies > maxCookies {
			t.Fatalf("an initiation of %d bytes after %d cookies", n, dialling.dialing.cookies)
		}
	})
}
