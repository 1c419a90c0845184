// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// A running session takes no harm from 10,000 random datagrams to both sides.
func TestGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		sent := sendNumbered(ctx, ca.Channel(1), 200, 8<<10)
		attacker := w.raw()
		rnd := rand.New(rand.NewPCG(1, 1))
		go func() {
			for i := range 10_000 {
				d := make([]byte, rnd.IntN(1500))
				for j := range d {
					d[j] = byte(rnd.Uint32())
				}
				if len(d) > 0 && i%2 == 0 {
					d[0] = typeInitiation + byte(i/2%4)
				}
				if len(d) > dataHeaderLen && i%4 == 0 { // with a connection id that exists
					putDataHeader(d, cb.local, rnd.Uint64N(1000))
				}
				writeTo(t, attacker, d, [2]*Endpoint{a, b}[i%3%2].LocalAddr())
				time.Sleep(100 * time.Microsecond)
			}
		}()
		if err := recvNumbered(ctx, cb.Channel(1), 200, 8<<10); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		s := b.Stats()
		if s.Foreign == 0 || s.Malformed == 0 || s.Unauthentic == 0 || s.UnknownSession == 0 {
			t.Errorf("not all kinds were counted: %+v", s)
		}
		if s.Sessions != 1 || s.HalfOpen != 0 || ca.Err() != nil || cb.Err() != nil {
			t.Errorf("the session was harmed: %v, %v, %+v", ca.Err(), cb.Err(), s)
		}
	})
}

// Datagrams that were recorded and sent again, or changed on the way, are dropped and counted.
func TestReplayedAndChangedDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		rnd := rand.New(rand.NewPCG(1, 1))
		var old [][]byte
		a := w.tapped(near, func(b []byte) [][]byte {
			if b[0] != typeData {
				return [][]byte{b}
			}
			changed := bytes.Clone(b)
			changed[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
			old = append(old, bytes.Clone(b))
			return [][]byte{changed, b, b, old[rnd.IntN(len(old))]}
		}, nil)
		b, _ := w.endpoint(near, nil)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		sent := sendNumbered(ctx, ca.Channel(1), 100, 8<<10)
		if err := recvNumbered(ctx, cb.Channel(1), 100, 8<<10); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		s := b.Stats()
		if s.Replayed < uint64(len(old)) || s.Unauthentic == 0 {
			t.Errorf("of %d datagrams: %+v", len(old), s)
		}
		if n := cb.Stats().DatagramsIn; n > uint64(len(old)) {
			t.Errorf("%d datagrams were taken, %d sent", n, len(old))
		}
	})
}

// Copies of an initiation give no further session, and the same response again, but not for ever.
func TestRepeatedInitiations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		var recorded []byte
		a := w.tapped(near, func(b []byte) [][]byte {
			if b[0] == typeInitiation {
				recorded = bytes.Clone(b)
				return [][]byte{b, b, b}
			}
			return [][]byte{b}
		}, nil)
		b, _ := w.endpoint(near, nil)
		connect(t, a, b)
		attacker := w.raw()
		for range 3 * maxRepeats {
			time.Sleep(100 * time.Millisecond)
			writeTo(t, attacker, recorded, b.LocalAddr())
		}
		time.Sleep(time.Second)
		s := b.Stats()
		if s.HandshakesIn != 1 || s.HandshakesRepeat != maxRepeats || s.Accepted != 1 || s.Sessions != 1 || s.HalfOpen != 0 {
			t.Errorf("%+v", s)
		}
		if responseLen >= BaseDatagram {
			t.Errorf("a response of %d bytes answers an initiation of %d", responseLen, BaseDatagram)
		}
	})
}

// An initiator that never proves itself gets no session, few bytes and little memory, and is forgotten.
func TestHalfOpenSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		b, _ := w.endpoint(near, nil)
		attacker := w.raw()
		id := newIdentity(t)
		const count = 150
		for i := range count {
			d, err := newInitiation(id, nil, connID(i+1), b.ID())
			if err != nil {
				t.Fatal(err)
			}
			writeTo(t, attacker, d.datagram, b.LocalAddr())
		}
		time.Sleep(100 * time.Millisecond)
		s := b.Stats()
		if s.HalfOpen != count || s.Sessions != 0 || s.BytesOut > s.BytesIn/10 || s.BytesOut != count*responseLen {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithTimeout(context.Background(), halfOpenTimeout)
		defer cancel()
		if _, err := b.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Accept gave %v", err)
		}
		time.Sleep(time.Second)
		if n := tables(b); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}

func TestHalfOpenEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		e, _ := w.endpoint(near, nil)
		for i := range maxHalfOpen + 10 {
			c := newConn(Path{e.main, e.LocalAddr()}, PeerID{}, time.Now())
			evicted, err := e.admitHalfOpen(c)
			if err != nil || (evicted != nil) != (i >= maxHalfOpen) {
				t.Fatalf("%d: evicted %v, %v", i, evicted != nil, err)
			}
			if evicted != nil {
				evicted.abandon(errEvicted)
			}
		}
		if s := e.Stats(); s.HalfOpen != maxHalfOpen || s.Sessions != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestHandshakesAreLimitedPerSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		attacker := w.raw()
		d, err := newInitiation(newIdentity(t), nil, 1, newIdentity(t).ID())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2000 {
			binary.BigEndian.PutUint32(d.datagram[initHeaderLen:], uint32(i))
			writeTo(t, attacker, d.datagram, b.LocalAddr())
		}
		connect(t, a, b) // from another address
		if s := b.Stats(); s.Unauthentic > sourceBurst+10 || s.HandshakesLimited < 1500 {
			t.Errorf("%+v", s)
		}
	})
}

func TestBusyEndpointsSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, func(c *Config) { c.MaxSessions = 1 })
		c, _ := w.endpoint(near, func(c *Config) { c.AcceptBacklog = 1 })
		ctx := ctxFor(t, time.Minute)

		first, _ := connect(t, a, b)
		var refused *CloseError
		if _, err := a.Dial(ctx, b.LocalAddr(), b.ID()); !errors.As(err, &refused) || refused.Code != CodeBusy || !refused.Remote {
			t.Errorf("a full endpoint: %v", err)
		}
		if _, err := b.Dial(ctx, a.LocalAddr(), a.ID()); !errors.Is(err, ErrTooManySessions) {
			t.Errorf("from a full endpoint: %v", err)
		}
		first.Close("")
		time.Sleep(time.Second)
		connect(t, a, b)

		if _, err := a.Dial(ctx, c.LocalAddr(), c.ID()); err != nil {
			t.Fatal(err)
		}
		second, err := a.Dial(ctx, c.LocalAddr(), c.ID())
		if err != nil {
			t.Fatal(err)
		}
		<-second.Done()
		if err := second.Err(); !errors.As(err, &refused) || refused.Code != CodeBusy || !errors.Is(err, net.ErrClosed) {
			t.Errorf("a full backlog: %v", err)
		}
	})
}

// A peer whose fragments never end gets its session closed rather than a message longer than any may be.
func TestContradictingFragments(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		ca.mu.Lock()
		for sn := range uint32(MaxMessage/basePayload + 2) {
			ca.out.open(ca)
			segment := ca.out.segments(1)[:arq.ShortLen+basePayload]
			clear(segment)
			segment[0], segment[1] = arq.CmdPush, 255-byte(sn)
			binary.LittleEndian.PutUint16(segment[2:], basePayload)
			binary.LittleEndian.PutUint32(segment[8:], sn)
			ca.out.extend(1, len(segment))
			ca.out.seal(ca, true)
		}
		ca.writeOut()
		ca.mu.Unlock()
		var broken *CloseError
		if m, err := cb.Recv(ctxFor(t, time.Second)); !errors.As(err, &broken) || broken.Code != CodeProtocol {
			t.Fatalf("%d bytes, %v", len(m.Data), err)
		}
		<-ca.Done()
	})
}
