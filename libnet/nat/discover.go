// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/stun/v3"
)

// DiscoverConfig says what to ask from where.
type DiscoverConfig struct {
	Client *Client          // on the socket that it is about
	Server netip.AddrPort   // any that answers the tests of RFC 5780; a plain STUN server tells only Public
	Local  []netip.AddrPort // the socket's own addresses: see LocalAddrs

	// Open opens a further socket of the same host on any port. Discover closes what it has opened.
	// Without it, hairpinning and port allocation stay unknown, and only the first discovery from a
	// socket tells filtering right.
	Open func() (net.PacketConn, error)
}

// Discover learns how the NATs and firewalls before a socket behave, by the tests of RFC 5780,
// section 4. It takes about 2 s, less where everything may come in. Where the server does not
// answer at all the result is TypeBlocked, after 2 s.
//
// The tests of filtering are made from a further socket, where there is Open. They need one that has
// not sent to the server's other addresses, and they spoil it: a Linux router that does not drop what
// comes unasked remembers it as a connection of its own, and gives the socket another port towards
// its sender from then on.
//
// A server that lies can make the client believe anything about its NAT, and send some 20 requests
// to an address of the server's choice.
func Discover(ctx context.Context, cfg DiscoverConfig) (Result, error) {
	d := discovery{cfg: cfg, result: Result{
		Type: TypeUnknown, Mapping: BehaviourUnknown, Filtering: BehaviourUnknown, Allocation: AllocationUnknown,
	}}
	defer d.close()
	if err := d.run(ctx); err != nil {
		return Result{}, fmt.Errorf("learn the NAT's behaviour from %v: %w", cfg.Server, err)
	}
	return d.result, nil
}

// discovery is one run of Discover.
type discovery struct {
	cfg    DiscoverConfig
	result Result
	extras []*extra

	others     [2][2]netip.AddrPort // of the server, by address and port; zero: none
	mapped     [2][2]netip.AddrPort // how the socket is seen from there; zero: no answer
	translated bool
}

func (d *discovery) run(ctx context.Context) error {
	begun := time.Now()
	first, err := d.cfg.Client.ask(ctx, question{to: d.cfg.Server, waits: firstWaits})
	if errors.Is(err, ErrNoAnswer) && ctx.Err() == nil {
		d.result.Type = TypeBlocked
		return nil
	}
	if err != nil {
		return err
	}
	d.result.RTT = time.Since(begun)
	d.mapped[0][0] = first.addr
	d.translated = !slices.Contains(d.cfg.Local, first.addr)
	d.others[0][0] = plain(d.cfg.Server)
	d.locate(first)
	d.open()
	d.filtering(ctx)
	d.mapping(ctx)
	d.result.Type = classify(d.translated, d.result.Mapping, d.result.Filtering)
	if d.translated {
		d.allocation(ctx)
		d.hairpin(ctx)
	} else {
		d.result.PortPreserving = Yes
	}
	d.public()
	return context.Cause(ctx)
}

// locate learns the server's other addresses. A server that does not know its own public address
// (behind a NAT of its own) tells what nobody can reach: then the port counts.
func (d *discovery) locate(first result) {
	if !first.other.IsValid() {
		return
	}
	server := d.others[0][0]
	d.others[0][1] = netip.AddrPortFrom(server.Addr(), first.other.Port())
	ip := first.other.Addr()
	hidden := ip.IsUnspecified() || !public(ip) && public(server.Addr())
	if ip == server.Addr() || ip == first.from.Addr() || hidden || ip.Is4() != server.Addr().Is4() {
		return
	}
	d.others[1][0] = netip.AddrPortFrom(ip, server.Port())
	d.others[1][1] = first.other
}

// public is whether an address has a meaning beyond its own network.
func public(ip netip.Addr) bool { return ip.IsGlobalUnicast() && !ip.IsPrivate() }

func (d *discovery) secondAddr() bool { return d.others[1][1].IsValid() }

// open opens the further sockets; it does with fewer.
func (d *discovery) open() {
	for len(d.extras) < extraSockets && d.cfg.Open != nil {
		e, err := openExtra(d.cfg.Open)
		if err != nil {
			return
		}
		d.extras = append(d.extras, e)
	}
}

func (d *discovery) close() {
	for _, e := range d.extras {
		e.close()
	}
}

// patience is the waits of a test that may well have no answer.
func (d *discovery) patience() []time.Duration {
	wait := min(max(2*d.result.RTT, minWait), maxWait)
	return []time.Duration{wait, wait, wait, wait, 2 * wait}
}

// filtering asks to be answered from elsewhere (RFC 5780, section 4.4).
func (d *discovery) filtering(ctx context.Context) {
	if !d.others[0][1].IsValid() {
		return
	}
	client := d.cfg.Client
	if d.cfg.Open != nil {
		fresh, err := openExtra(d.cfg.Open)
		if err != nil {
			return
		}
		defer fresh.close()
		client = fresh.client
		if _, err := client.ask(ctx, question{to: d.cfg.Server, waits: firstWaits}); err != nil {
			return
		}
	}
	var byPort, byAddr error
	var asking sync.WaitGroup
	asking.Go(func() { byPort = d.answersFromElsewhere(ctx, client, fromOtherPort) })
	if d.secondAddr() {
		asking.Go(func() { byAddr = d.answersFromElsewhere(ctx, client, fromOtherAddr) })
	}
	asking.Wait()
	switch {
	case d.secondAddr() && byAddr == nil:
		d.result.Filtering = EndpointIndependent
	case byPort == nil && d.secondAddr() && errors.Is(byAddr, ErrNoAnswer):
		d.result.Filtering = AddressDependent // if the other address answers at all: see mapping
	case byPort == nil:
		d.result.Filtering = NotPortDependent
	case errors.Is(byPort, ErrNoAnswer):
		d.result.Filtering = AddressAndPortDependent // if the other port answers at all
	}
}

func (d *discovery) answersFromElsewhere(ctx context.Context, client *Client, expect expectation) error {
	bits := byte(changePortBit)
	if expect == fromOtherAddr {
		bits |= changeAddrBit
	}
	_, err := client.ask(ctx, question{
		to: d.cfg.Server, expect: expect, waits: d.patience(),
		attrs: []stun.Setter{stun.RawAttribute{Type: stun.AttrChangeRequest, Value: []byte{0, 0, 0, bits}}},
	})
	return err
}

// mapping compares how the socket is seen from the server's addresses and ports (RFC 5780, section
// 4.3). It comes after filtering, because it opens the filters of the socket.
func (d *discovery) mapping(ctx context.Context) {
	for _, at := range [][2]int{{0, 1}, {1, 0}, {1, 1}} {
		server := d.others[at[0]][at[1]]
		if !server.IsValid() {
			continue
		}
		if r, err := d.cfg.Client.ask(ctx, question{to: server, waits: d.patience()}); err == nil {
			d.mapped[at[0]][at[1]] = r.addr
		}
	}
	m := d.mapped
	switch {
	case !m[0][1].IsValid():
	case m[0][1] != m[0][0]:
		d.result.Mapping = AddressAndPortDependent
	case !m[1][0].IsValid():
		d.result.Mapping = NotPortDependent
	case m[1][0] == m[0][0]:
		d.result.Mapping = EndpointIndependent
	case m[1][1].IsValid() && m[1][1] != m[1][0]:
		d.result.Mapping = AddressAndPortDependent
	default:
		d.result.Mapping = AddressDependent
	}
	// Silence means a filter only from where answers do come.
	switch d.result.Filtering {
	case AddressAndPortDependent:
		if !m[0][1].IsValid() {
			d.result.Filtering = BehaviourUnknown
		}
	case AddressDependent:
		if !m[1][1].IsValid() {
			d.result.Filtering = NotPortDependent
		}
	}
}

// public lists the reflexive addresses.
func (d *discovery) public() {
	for _, row := range d.mapped {
		for _, m := range row {
			if m.IsValid() && !slices.Contains(d.result.Public, m) {
				d.result.Public = append(d.result.Public, m)
			}
		}
	}
}

// LocalAddrs are the addresses of a socket as its host knows them: one, or for a socket on all
// interfaces those of the interfaces.
func LocalAddrs(local netip.AddrPort) []netip.AddrPort {
	local = plain(local)
	if !local.Addr().IsUnspecified() {
		return []netip.AddrPort{local}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil // then everything looks translated
	}
	var addrs []netip.AddrPort
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, netip.AddrPortFrom(p.Addr().Unmap(), local.Port()))
		}
	}
	return addrs
}
