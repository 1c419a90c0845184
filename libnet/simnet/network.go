// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Network is a set of hosts around a core that loses nothing and takes no time. Its methods,
// and those of its hosts and sockets, may be called from several goroutines.
type Network struct {
	seed  uint64
	start time.Time
	wake  chan struct{} // capacity 1: an event is due before the one run sleeps for
	stop  chan struct{}
	done  chan struct{} // closed when run has returned

	mu sync.Mutex // guards everything below, and all hosts, links and sockets; never held while blocked
	// attached says where the core sends what is addressed to an address. A box between the
	// core and hosts, such as a NAT, takes the place of a host here.
	attached map[netip.Addr]func(p *packet, at time.Duration)
	hosts    []*Host
	paths    map[pair]*link
	events   eventHeap
	sleeping time.Duration // when run wakes up next
	inFlight int
	closed   bool
}

// pair is the direction of a path.
type pair struct{ from, to netip.Addr }

const never = time.Duration(math.MaxInt64)

// New returns an empty network. Networks with the same seed, hosts, links and traffic behave
// the same. The caller must Close it.
func New(seed uint64) *Network {
	n := &Network{
		seed:     seed,
		start:    time.Now(),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		attached: make(map[netip.Addr]func(*packet, time.Duration)),
		paths:    make(map[pair]*link),
		sleeping: never,
	}
	go n.run()
	return n
}

// Close closes all sockets and drops what is on its way. When it returns, no goroutine or timer
// of the network is left.
func (n *Network) Close() error {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.stop)
		for _, h := range n.hosts {
			for _, c := range h.conns {
				c.shut()
			}
		}
		n.events = nil
	}
	n.mu.Unlock()
	<-n.done
	return nil
}

// Host attaches a host at addr: up is its line towards the network, down the one from it.
// It fails with net.ErrClosed after Close.
func (n *Network) Host(addr netip.Addr, up, down Link) (*Host, error) {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return nil, fmt.Errorf("simnet: %v cannot be the address of a host", addr)
	}
	if err := up.Validate(); err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	if err := down.Validate(); err != nil {
		return nil, fmt.Errorf("down: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	if n.attached[addr] != nil {
		return nil, fmt.Errorf("simnet: a host has the address %v already", addr)
	}
	h := newHost(n, len(n.hosts), addr, up, down)
	n.hosts = append(n.hosts, h)
	n.attached[addr] = h.fromCore
	return h, nil
}

// SetPath puts a link between the hosts at a and b, beside their access links: one in each
// direction, with separate queues. A later call changes both. It panics if l is not valid.
func (n *Network) SetPath(a, b netip.Addr, l Link) {
	must(l)
	a, b = a.Unmap(), b.Unmap()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.runUntil(n.now())
	for _, dir := range [2]pair{{a, b}, {b, a}} {
		if n.paths[dir] == nil {
			seed := mixAddr(mixAddr(mix(n.seed, pathLink), dir.from), dir.to)
			n.paths[dir] = &link{net: n, seed: seed, out: n.lastHop}
		}
		n.paths[dir].set(l)
	}
}

// Stats sums the counters of all hosts.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.runUntil(n.now())
	var sum Stats
	for _, h := range n.hosts {
		sum.add(h.stats)
	}
	return sum
}

// InFlight is how many datagrams are on links or in their queues.
func (n *Network) InFlight() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.runUntil(n.now())
	return n.inFlight
}

// route takes p from the sender's access link through the core.
func (n *Network) route(p *packet, at time.Duration) {
	if l := n.paths[pair{p.src.Addr(), p.dst.Addr()}]; l != nil {
		l.send(p, at)
		return
	}
	n.lastHop(p, at)
}

// lastHop takes p from the core to whatever is attached at its destination.
func (n *Network) lastHop(p *packet, at time.Duration) {
	if to := n.attached[p.dst.Addr()]; to != nil {
		to(p, at)
		return
	}
	p.origin.stats.Unreachable++
	n.drop(p)
}

// drop takes p off the network. The caller counts why.
func (n *Network) drop(p *packet) {
	n.inFlight--
	p.release()
}

func (n *Network) now() time.Duration { return time.Since(n.start) }

// run is the network's goroutine: it sleeps until the next event is due.
func (n *Network) run() {
	defer close(n.done)
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		n.mu.Lock()
		n.runUntil(n.now())
		n.sleeping = never
		if len(n.events) > 0 {
			n.sleeping = n.events[0].at
			timer.Reset(n.sleeping - n.now())
		} else {
			timer.Stop()
		}
		n.mu.Unlock()
		select {
		case <-timer.C:
		case <-n.wake:
		case <-n.stop:
			return
		}
	}
}

// runUntil runs the events due at now. Each call from the program does so first, so that its
// effect does not depend on whether run has been scheduled yet.
func (n *Network) runUntil(now time.Duration) {
	for len(n.events) > 0 && n.events[0].at <= now {
		switch e := n.events.pop(); e.kind {
		case departs:
			e.link.departed(e.p, e.at)
		case arrives:
			e.link.out(e.p, e.at)
		}
	}
}

func (n *Network) schedule(e event) {
	n.events.push(e)
	if e.at < n.sleeping {
		n.sleeping = e.at
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}
}

func must(l Link) {
	if err := l.Validate(); err != nil {
		panic(err)
	}
}
