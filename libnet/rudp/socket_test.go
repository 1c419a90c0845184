// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// further gives an endpoint a further socket, on a line of its own.
func (w *world) further(e *Endpoint, link simnet.Link) (*Socket, *simnet.Host) {
	w.t.Helper()
	h, pc := w.host(link, link)
	s, err := e.AddSocket(pc, SocketConfig{})
	if err != nil {
		w.t.Fatal(err)
	}
	return s, h
}

// both sends numbered messages both ways at a steady pace and gives what went wrong on arrival.
func both(ctx context.Context, ca, cb *Conn, count int) error {
	const size = 4000
	errs := make(chan error, 4)
	for _, ends := range [][2]*Conn{{ca, cb}, {cb, ca}} {
		go func() {
			for i := range count {
				time.Sleep(4 * time.Millisecond)
				if err := ends[0].Channel(1).Send(ctx, numbered(i, size)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
		go func() { errs <- recvNumbered(ctx, ends[1].Channel(1), count, size) }()
	}
	var all error
	for range 4 {
		all = errors.Join(all, <-errs)
	}
	return all
}

// A session that was dialled from one socket moves to another, and back, without losing anything, and stays there.
func TestMove(t *testing.T) {
	for _, c := range []struct {
		name       string
		main, more simnet.Link
	}{
		{"same delay", near, near},
		{"to a quicker path", near, simnet.Link{Delay: 80 * time.Millisecond}},
		{"to a slower path", simnet.Link{Delay: 80 * time.Millisecond}, near},
		{"with loss", simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.05}, simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.05}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer w.close()
				a, _ := w.endpoint(c.main, nil)
				b, _ := w.endpoint(near, nil)
				more, _ := w.further(a, c.more)
				ctx := ctxFor(t, time.Minute)
				ca, err := more.Dial(ctx, b.LocalAddr(), b.ID())
				if err != nil {
					t.Fatal(err)
				}
				cb, err := b.Accept(ctx)
				if err != nil {
					t.Fatal(err)
				}
				traffic := make(chan error, 1)
				go func() { traffic <- both(ctx, ca, cb, 3000) }()
				for i, to := range []*Socket{a.Socket(), more, a.Socket()} {
					time.Sleep(3 * time.Second)
					if err := ca.Move(ctx, Path{to, b.LocalAddr()}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					if ca.Path() != (Path{to, b.LocalAddr()}) || cb.Path() != (Path{b.Socket(), to.LocalAddr()}) {
						t.Fatalf("move %d has led to %v and %v", i, ca.Path().Addr, cb.Path().Addr)
					}
				}
				if err := <-traffic; err != nil {
					t.Fatal(err)
				}
				if ca.Stats().Moves != 3 || cb.Stats().Moves != 3 {
					t.Errorf("%d and %d moves were seen", ca.Stats().Moves, cb.Stats().Moves)
				}
			})
		})
	}
}

// Both sides may look for a better path at the same time, and find the same one.
func TestBothMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		moreA, _ := w.further(a, near)
		moreB, _ := w.further(b, near)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)
		traffic := make(chan error, 1)
		go func() { traffic <- both(ctx, ca, cb, 1000) }()
		time.Sleep(time.Second)
		pathA, pathB := Path{moreA, moreB.LocalAddr()}, Path{moreB, moreA.LocalAddr()}
		moved := make(chan error, 2)
		go func() { moved <- ca.Move(ctx, pathA) }()
		go func() { moved <- cb.Move(ctx, pathB) }()
		if err := errors.Join(<-moved, <-moved, <-traffic); err != nil {
			t.Fatal(err)
		}
		if ca.Path() != pathA || cb.Path() != pathB {
			t.Errorf("the paths are %v and %v", ca.Path().Addr, cb.Path().Addr)
		}
	})
}

// A session whose path has died goes on by another one that works: neither side needs the old one for it.
func TestMoveFromADeadPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		more, line := w.further(a, near)
		ctx := ctxFor(t, time.Minute)
		ca, err := more.Dial(ctx, b.LocalAddr(), b.ID())
		if err != nil {
			t.Fatal(err)
		}
		cb, err := b.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		traffic := make(chan error, 1)
		go func() { traffic <- both(ctx, ca, cb, 1000) }()
		time.Sleep(time.Second)
		line.Down(true)
		time.Sleep(time.Second)
		begin, before := time.Now(), cb.Stats().MessagesIn
		if err := ca.Move(ctx, Path{a.Socket(), b.LocalAddr()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if cb.Stats().MessagesIn == before {
			t.Error("what waits for a repetition still waits for a timeout of the old path")
		}
		if took := time.Since(begin); took != 40*time.Millisecond {
			t.Errorf("took %v, two round trips are 40 ms", took)
		}
		if err := <-traffic; err != nil {
			t.Fatal(err)
		}
	})
}

// A path that carries datagrams one way only is not taken, and the session does not suffer.
func TestMoveToAPathThatDoesNotWork(t *testing.T) {
	for _, c := range []struct {
		name string
		cut  func(line *simnet.Host)
	}{
		{"nothing gets through", func(line *simnet.Host) { line.Down(true) }},
		{"only from us", func(line *simnet.Host) { line.SetDown(simnet.Link{Loss: 1}) }},
		{"only to us", func(line *simnet.Host) { line.SetUp(simnet.Link{Loss: 1}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer w.close()
				a, _ := w.endpoint(near, nil)
				b, _ := w.endpoint(near, nil)
				more, line := w.further(a, near)
				c.cut(line)
				ca, cb := connect(t, a, b)
				ctx := ctxFor(t, time.Minute)
				traffic := make(chan error, 1)
				go func() { traffic <- both(ctx, ca, cb, 1000) }()
				time.Sleep(time.Second)
				begin, before := time.Now(), ca.Path()
				err := ca.Move(ctx, Path{more, b.LocalAddr()})
				if !errors.Is(err, ErrProbeTimeout) || time.Since(begin) != defaultHandshakeTimeout {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				if err := <-traffic; err != nil {
					t.Fatal(err)
				}
				if ca.Path() != before || cb.Stats().Moves != 0 {
					t.Errorf("the session is at %v", ca.Path().Addr)
				}
			})
		})
	}
}

// Somebody who catches the probes of another path, sends them on as his own, and brings back the answers, moves nothing.
func TestRelayedProbesMoveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		relay := w.raw()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		_, pc := w.host(near, near)
		more, err := a.AddSocket(&tap{pc, &w.taps, func(d []byte) [][]byte {
			writeTo(t, relay, d, b.LocalAddr())
			return nil
		}}, SocketConfig{})
		if err != nil {
			t.Fatal(err)
		}
		answers := 0
		var back sync.WaitGroup
		back.Go(func() {
			buf := make([]byte, 2048)
			for {
				n, _, err := relay.ReadFrom(buf)
				if err != nil {
					return
				}
				answers++
				writeTo(t, relay, bytes.Clone(buf[:n]), more.LocalAddr())
			}
		})
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, 30*time.Second)
		moved := make(chan error, 1)
		go func() { moved <- ca.Move(ctx, Path{more, b.LocalAddr()}) }()
		if err := both(ctx, ca, cb, 500); err != nil {
			t.Fatal(err)
		}
		if err := <-moved; !errors.Is(err, ErrProbeTimeout) {
			t.Errorf("moved: %v", err)
		}
		if cb.RemoteAddr() != a.LocalAddr() || cb.Stats().Moves != 0 || ca.RemoteAddr() != b.LocalAddr() {
			t.Errorf("the session has moved to %v and %v", cb.RemoteAddr(), ca.RemoteAddr())
		}
		relay.Close()
		if back.Wait(); answers == 0 {
			t.Error("no probe was answered")
		}
	})
}

// A session ends with its socket, and only that session.
func TestSocketClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		more, _ := w.further(a, near)
		kept, _ := connect(t, a, b)
		lost, err := more.Dial(t.Context(), b.LocalAddr(), b.ID())
		if err != nil {
			t.Fatal(err)
		}
		if err := more.Close(); err != nil {
			t.Fatal(err)
		}
		<-lost.Done()
		if err := lost.Err(); !errors.Is(err, ErrSocketClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
		for what, err := range map[string]error{
			"dial": second(more.Dial(t.Context(), b.LocalAddr(), b.ID())),
			"move": kept.Move(t.Context(), Path{more, b.LocalAddr()}),
		} {
			if !errors.Is(err, ErrSocketClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if kept.Err() != nil {
			t.Errorf("the other session: %v", kept.Err())
		}
		if err := a.Socket().Close(); err != nil || a.Socket().dead() {
			t.Errorf("the first socket is closed: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A further socket has its own reader for what is not of this protocol.
func TestForeignOnAFurtherSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, _ := w.endpoint(near, nil)
		stranger := w.raw()
		_, pc := w.host(near, near)
		got := make(chan netip.AddrPort, 1)
		more, err := a.AddSocket(pc, SocketConfig{OnPacket: func(_ []byte, from netip.AddrPort) { got <- from }})
		if err != nil {
			t.Fatal(err)
		}
		writeTo(t, stranger, []byte{0, 1}, more.LocalAddr())
		if from := <-got; from.String() != stranger.LocalAddr().String() {
			t.Errorf("from %v", from)
		}
		if _, err := more.WriteTo([]byte{0, 2}, from(stranger)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, addr, err := stranger.ReadFrom(b); err != nil || n != 2 || addr.String() != more.LocalAddr().String() {
			t.Errorf("%d bytes from %v, %v", n, addr, err)
		}
	})
}

func from(pc net.PacketConn) netip.AddrPort { return netip.MustParseAddrPort(pc.LocalAddr().String()) }
