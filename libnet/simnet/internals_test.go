// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestEventHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	origin := &Host{}
	var h eventHeap
	var want []time.Duration
	for range 1000 {
		at := time.Duration(r.IntN(300))
		want = append(want, at)
		h.push(event{at: at, p: &packet{origin: origin, seq: r.Uint64()}})
	}
	slices.Sort(want)
	var last event
	for i, at := range want {
		e := h.pop()
		if e.at != at {
			t.Fatalf("event %d at %d, want %d", i, e.at, at)
		}
		if i > 0 && e.before(last) {
			t.Fatalf("event %d out of order", i)
		}
		last = e
	}
}

func TestFifo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var f fifo
	var pushed, popped uint64
	for range 10_000 {
		if r.IntN(2) == 0 {
			pushed++
			f.push(&packet{seq: pushed})
		} else if p := f.pop(); p != nil {
			popped++
			if p.seq != popped {
				t.Fatalf("popped %d, want %d", p.seq, popped)
			}
		}
		if got := len(f.waiting()); got != int(pushed-popped) || f.empty() != (got == 0) {
			t.Fatalf("%d waiting, want %d", got, pushed-popped)
		}
	}
}

func TestDoubleReleasePanics(t *testing.T) {
	p := newPacket(nil)
	p.release()
	defer func() {
		if recover() == nil {
			t.Error("a second release went unnoticed")
		}
	}()
	p.release()
}

// TestFlowsAreBounded: beyond the limit, flows share a counter and the table stays as it is.
func TestFlowsAreBounded(t *testing.T) {
	n := newNetwork(t, 1)
	h := newTestHost(t, n, addrA, Link{}, Link{})
	n.mu.Lock()
	defer n.mu.Unlock()
	a := addrB
	for range maxFlows + 100 {
		h.nextInFlow(flow{port: 1, to: netip.AddrPortFrom(a, 1)})
		a = a.Next()
	}
	if got := len(h.flows); got > maxFlows+1 {
		t.Errorf("%d flows counted, want at most %d", got, maxFlows+1)
	}
}
