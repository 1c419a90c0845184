// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// NAT is a box between hosts and the network: a network address translator for UDP, or a
// firewall. What is inside reaches each other without it, as in a home's LAN; what it sends to
// the box's public address comes back in (hairpinning) where the box does that.
//
// A box translates between its access link and the inside, so a datagram that it does not let in
// has used the link.
type NAT struct {
	net    *Network
	conf   NATConfig
	outer  *realm
	inside *realm
	seed   uint64

	// The network's mutex guards what follows.
	addr     netip.Addr
	up, down link
	cut      bool
	table    natTable
}

// NATStats is the state of a NAT's table.
type NATStats struct {
	Mappings int    // external ports in use, with their remote ends where those share ports
	Sessions int    // entries of the table
	Refused  uint64 // datagrams that would have needed an entry, or a port, more
}

// NAT attaches a NAT with the public address addr: up is its line towards the network, down the
// one from it. It fails with net.ErrClosed after Close.
func (n *Network) NAT(addr netip.Addr, conf NATConfig, up, down Link) (*NAT, error) {
	return n.attachNAT(n.core, addr, conf, up, down)
}

func (n *Network) attachNAT(outer *realm, addr netip.Addr, conf NATConfig, up, down Link) (*NAT, error) {
	addr, err := checkAttachment(addr, up, down)
	if err != nil {
		return nil, err
	}
	if conf, err = conf.filled(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.vacant(outer, addr); err != nil {
		return nil, err
	}
	seed := mixAddr(mix(n.seed, natSeed), addr) ^ outer.seed
	b := &NAT{net: n, conf: conf, outer: outer, seed: seed, addr: addr, table: newNATTable(conf, seed)}
	b.inside = newRealm(seed, b.fromInside)
	b.inside.box = b
	b.up = link{net: n, conf: up, seed: mix(seed, upLink), out: b.toOutside}
	b.down = link{net: n, conf: down, seed: mix(seed, downLink), out: b.arrived}
	outer.attach(addr, b.fromOutside)
	return b, nil
}

// Host attaches a host inside, at a private address; inside a firewall, at a public one.
func (b *NAT) Host(addr netip.Addr, up, down Link) (*Host, error) {
	addr, err := checkAttachment(addr, up, down)
	if err != nil {
		return nil, err
	}
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	if err := b.sameFamily(addr); err != nil {
		return nil, err
	}
	return b.net.attachHost(b.inside, addr, up, down)
}

// NAT attaches a NAT inside, as a home's router is inside a carrier's NAT.
func (b *NAT) NAT(addr netip.Addr, conf NATConfig, up, down Link) (*NAT, error) {
	b.net.mu.Lock()
	err := b.sameFamily(addr.Unmap())
	b.net.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return b.net.attachNAT(b.inside, addr, conf, up, down)
}

func (b *NAT) sameFamily(addr netip.Addr) error {
	if !b.conf.Firewall && addr.Is4() != b.addr.Is4() {
		return fmt.Errorf("simnet: a NAT at %v cannot translate %v: IPv4 and IPv6", b.addr, addr)
	}
	return nil
}

// Addr is the public address.
func (b *NAT) Addr() netip.Addr {
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	return b.addr
}

// Renumber gives the NAT another public address, as a provider does; the table is flushed. What
// is on its way to the old address is lost.
func (b *NAT) Renumber(addr netip.Addr) error {
	addr = addr.Unmap()
	if err := checkAddr(addr); err != nil {
		return err
	}
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	if b.conf.Firewall {
		return errors.New("simnet: a firewall has no address to change: its hosts have their own")
	}
	if addr.Is4() != b.addr.Is4() {
		return fmt.Errorf("simnet: a NAT at %v cannot move to %v: IPv4 and IPv6", b.addr, addr)
	}
	if err := b.net.vacant(b.outer, addr); err != nil {
		return err
	}
	b.net.runUntil(b.net.now())
	b.outer.detach(b.addr)
	b.addr = addr
	b.outer.attach(addr, b.fromOutside)
	b.table.flush()
	return nil
}

// Flush forgets all mappings, as a reboot does.
func (b *NAT) Flush() {
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	b.net.runUntil(b.net.now())
	b.table.flush()
}

// SetUp changes the line towards the network, as Host.SetUp does.
func (b *NAT) SetUp(l Link) { b.net.setLink(&b.up, l) }

// SetDown changes the line from the network, as Host.SetUp does.
func (b *NAT) SetDown(l Link) { b.net.setLink(&b.down, l) }

// Down cuts the line, as a pulled plug does, or connects it again. The table stays, and those
// inside still reach each other.
func (b *NAT) Down(down bool) {
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	b.net.runUntil(b.net.now())
	b.cut = down
}

// Stats returns the state of the table.
func (b *NAT) Stats() NATStats {
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	now := b.net.now()
	b.net.runUntil(now)
	b.table.expire(now)
	return NATStats{Mappings: len(b.table.outside), Sessions: b.table.sessions, Refused: b.table.refused}
}

// fromInside takes what those inside send.
func (b *NAT) fromInside(p *packet, at time.Duration) {
	if to := b.inside.attached[p.dst.Addr()]; to != nil { // the LAN
		to(p, at)
		return
	}
	switch {
	case b.conf.BlockUDP:
		b.block(p)
	case !p.hop(1):
		b.net.expired(p)
	case p.dst.Addr() == b.addr:
		b.hairpin(p, at)
	case b.cut:
		b.cutOff(p)
	case !b.translate(p, at):
		b.block(p)
	default:
		b.up.send(p, at)
	}
}

// translate gives p the source address that it has outside; false: the table is full.
func (b *NAT) translate(p *packet, at time.Duration) bool {
	m := b.table.outbound(p.src, p.dst, b.addr, at)
	if m == nil {
		return false
	}
	p.src = m.external.external
	return true
}

// hairpin turns p round to another host inside, or the same.
func (b *NAT) hairpin(p *packet, at time.Duration) {
	internal := p.src
	if b.conf.Hairpin == NoHairpin || !b.translate(p, at) {
		b.block(p)
		return
	}
	to, ok := b.table.inbound(p.src, p.dst, at)
	if !ok {
		b.block(p)
		return
	}
	if b.conf.Hairpin == HairpinInternalSource {
		p.src = internal
	}
	p.dst = to
	b.deliver(p, at)
}

// toOutside is the far end of the up link.
func (b *NAT) toOutside(p *packet, at time.Duration) {
	if b.cut {
		b.cutOff(p)
		return
	}
	b.outer.route(p, at)
}

// fromOutside is the near end of the down link.
func (b *NAT) fromOutside(p *packet, at time.Duration) {
	if b.cut {
		b.cutOff(p)
		return
	}
	b.down.send(p, at)
}

// arrived is the far end of the down link.
func (b *NAT) arrived(p *packet, at time.Duration) {
	if b.cut {
		b.cutOff(p)
		return
	}
	to, ok := b.table.inbound(p.src, p.dst, at)
	if b.conf.BlockUDP || !ok {
		b.block(p)
		return
	}
	if !p.hop(1) {
		b.net.expired(p)
		return
	}
	p.dst = to
	b.deliver(p, at)
}

func (b *NAT) deliver(p *packet, at time.Duration) {
	to := b.inside.attached[p.dst.Addr()]
	if to == nil { // a NAT inside has been renumbered since
		p.origin.stats.Unreachable++
		b.net.drop(p)
		return
	}
	to(p, at)
}

func (b *NAT) block(p *packet) {
	p.origin.stats.Blocked++
	b.net.drop(p)
}

func (b *NAT) cutOff(p *packet) {
	p.origin.stats.CutOff++
	b.net.drop(p)
}
