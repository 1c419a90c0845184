// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"sync"
	"testing"
)

func TestArenas(t *testing.T) {
	p := &arenaPool{make: func() *arena { return newArena(1, 8) }}
	x, y := new(reader), new(reader)
	a := p.take(x)
	mustPanic(t, "release by another", func() { p.give(a, y) })
	p.give(a, x)
	mustPanic(t, "double release", func() { p.give(a, x) })
	if p.take(y) != a {
		t.Error("a free arena is not used again")
	}
	mustPanic(t, "release after it has a new owner", func() { p.give(a, x) })
	for range 2 * maxIdleArenas {
		defer func(a *arena) {
			p.give(a, x)
			if len(p.free) > maxIdleArenas {
				t.Errorf("%d free arenas", len(p.free))
			}
		}(p.take(x))
	}
}

func TestIdleSocketsHoldNoArena(t *testing.T) {
	s := listenConfig(t, "127.0.0.1:0", Config{})
	r := s.batch.(*mmsg).reader
	polled := make(chan bool)
	try := r.poll
	r.poll = func(fd uintptr) bool {
		over := try(fd)
		polled <- r.arena != nil
		return over
	}
	var running sync.WaitGroup
	running.Go(func() { s.ReadBatch(make([]Message, 1)) })
	if <-polled {
		t.Error("an arena is held by a reader that waits")
	}
	if _, err := s.WriteBatch([]Message{{Buf: []byte("x"), Addr: s.LocalAddr()}}); err != nil {
		t.Fatal(err)
	}
	if !<-polled {
		t.Error("the datagram's arena was released before it was read")
	}
	running.Wait()
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}
