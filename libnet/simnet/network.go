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
	clock *stepClock    // nil: real or a bubble's time
	wake  chan struct{} // capacity 1: an event is due before the one run sleeps for
	stop  chan struct{}
	done  chan struct{} // closed when run has returned

	mu       sync.Mutex // guards everything below, and all hosts, links and sockets; never held while blocked
	core     *realm
	hosts    []*Host // of all realms
	paths    map[pair]*link
	events   eventHeap
	sleeping time.Duration // when run wakes up next
	inFlight int
	closed   bool
}

// realm is an address space: the core of the network, or the inside of a NAT. Different realms
// may use the same addresses.
type realm struct {
	// attached says where what is addressed to an address goes.
	attached map[netip.Addr]func(p *packet, at time.Duration)
	box      *NAT   // whose inside this is; nil: the core
	seed     uint64 // 0 in the core; keeps apart what has the same address in different realms
	// route takes a packet from the access link of something attached.
	route func(p *packet, at time.Duration)
}

// pair is the direction of a path.
type pair struct{ from, to netip.Addr }

const never = time.Duration(math.MaxInt64)

// New returns an empty network. Networks with the same seed, hosts, links and traffic behave
// the same. The caller must Close it.
func New(seed uint64) *Network {
	n := prepare(seed)
	go n.run()
	return n
}

func prepare(seed uint64) *Network {
	n := &Network{
		seed:     seed,
		start:    time.Now(),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		paths:    make(map[pair]*link),
		sleeping: never,
	}
	n.core = newRealm(0, n.route)
	return n
}

func newRealm(seed uint64, route func(*packet, time.Duration)) *realm {
	return &realm{attached: make(map[netip.Addr]func(*packet, time.Duration)), seed: seed, route: route}
}

// attach puts a host or NAT at addr. A firewall hides no addresses: what is inside one is known
// outside too, by way of the firewall.
func (r *realm) attach(addr netip.Addr, to func(p *packet, at time.Duration)) {
	r.attached[addr] = to
	if r.box != nil && r.box.conf.Firewall {
		r.box.outer.attach(addr, r.box.fromOutside)
	}
}

func (r *realm) detach(addr netip.Addr) {
	delete(r.attached, addr)
	if r.box != nil && r.box.conf.Firewall {
		r.box.outer.detach(addr)
	}
}

func (r *realm) taken(addr netip.Addr) bool {
	return r.attached[addr] != nil || r.box != nil && r.box.conf.Firewall && r.box.outer.taken(addr)
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
	addr, err := checkAttachment(addr, up, down)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.attachHost(n.core, addr, up, down)
}

// checkAttachment returns addr as it is compared.
func checkAttachment(addr netip.Addr, up, down Link) (netip.Addr, error) {
	addr = addr.Unmap()
	if err := checkAddr(addr); err != nil {
		return addr, err
	}
	if err := up.Validate(); err != nil {
		return addr, fmt.Errorf("up: %w", err)
	}
	if err := down.Validate(); err != nil {
		return addr, fmt.Errorf("down: %w", err)
	}
	return addr, nil
}

func checkAddr(addr netip.Addr) error {
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return fmt.Errorf("simnet: %v cannot be the address of a host or a NAT", addr)
	}
	return nil
}

func (n *Network) attachHost(r *realm, addr netip.Addr, up, down Link) (*Host, error) {
	if err := n.vacant(r, addr); err != nil {
		return nil, err
	}
	h := newHost(n, r, len(n.hosts), addr, up, down)
	n.hosts = append(n.hosts, h)
	r.attach(addr, h.fromRealm)
	return h, nil
}

// vacant tells why nothing can be attached at addr, nil if it can.
func (n *Network) vacant(r *realm, addr netip.Addr) error {
	if n.closed {
		return net.ErrClosed
	}
	if r.taken(addr) {
		return fmt.Errorf("simnet: the address %v is taken", addr)
	}
	return nil
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

func (n *Network) setLink(to *link, l Link) {
	must(l)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.runUntil(n.now())
	to.set(l)
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
	if !p.hop(coreHops) {
		n.expired(p)
		return
	}
	if l := n.paths[pair{p.src.Addr(), p.dst.Addr()}]; l != nil {
		l.send(p, at)
		return
	}
	n.lastHop(p, at)
}

// lastHop takes p from the core to whatever is attached at its destination.
func (n *Network) lastHop(p *packet, at time.Duration) {
	if to := n.core.attached[p.dst.Addr()]; to != nil {
		to(p, at)
		return
	}
	p.origin.stats.Unreachable++
	n.drop(p)
}

// expired drops p, whose time to live is over.
func (n *Network) expired(p *packet) {
	p.origin.stats.Expired++
	n.drop(p)
}

// drop takes p off the network. The caller counts why.
func (n *Network) drop(p *packet) {
	n.inFlight--
	p.release()
}

func (n *Network) now() time.Duration {
	if n.clock != nil {
		return n.clock.now
	}
	return time.Since(n.start)
}

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
