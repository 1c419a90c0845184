// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Kinds of links and boxes, as part of their seeds.
const (
	upLink uint64 = iota
	downLink
	pathLink
	natSeed
)

// ErrPortInUse is returned when another socket of the host has the port, or none is free.
var ErrPortInUse = errors.New("simnet: port in use")

// Host is a machine with one address and an access link.
type Host struct {
	net   *Network
	realm *realm
	id    int // in order of creation
	addr  netip.Addr

	// The network's mutex guards what follows.
	up, down link
	cut      bool
	conns    map[uint16]*Conn
	nextPort uint16
	sent     uint64
	flows    map[flow]uint64 // datagrams sent in each flow
	stats    Stats
}

// flow is a destination as seen from one port of a host.
type flow struct {
	port uint16
	to   netip.AddrPort
}

func newHost(n *Network, r *realm, id int, addr netip.Addr, up, down Link) *Host {
	h := &Host{
		net:      n,
		realm:    r,
		id:       id,
		addr:     addr,
		conns:    make(map[uint16]*Conn),
		nextPort: firstEphemeral,
		flows:    make(map[flow]uint64),
	}
	h.up = link{net: n, conf: up, seed: mixAddr(mix(n.seed, upLink), addr) ^ r.seed, owner: h, out: h.toRealm}
	h.down = link{net: n, conf: down, seed: mixAddr(mix(n.seed, downLink), addr) ^ r.seed, owner: h, out: h.receive}
	return h
}

// Addr is the host's address.
func (h *Host) Addr() netip.Addr { return h.addr }

// ListenPacket opens a UDP socket, a *Conn. Port 0 takes a free port from 49152 on.
// It fails with ErrPortInUse, or net.ErrClosed after the network's Close.
func (h *Host) ListenPacket(port uint16) (net.PacketConn, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.net.closed {
		return nil, net.ErrClosed
	}
	if port == 0 {
		port = h.freePort()
	}
	if port == 0 || h.conns[port] != nil {
		return nil, fmt.Errorf("listen on %v: %w", netip.AddrPortFrom(h.addr, port), ErrPortInUse)
	}
	c := newConn(h, port)
	h.conns[port] = c
	return c, nil
}

// freePort returns an ephemeral port, 0 if all are taken.
func (h *Host) freePort() uint16 {
	for range 1<<16 - firstEphemeral {
		port := h.nextPort
		if h.nextPort++; h.nextPort == 0 {
			h.nextPort = firstEphemeral
		}
		if h.conns[port] == nil {
			return port
		}
	}
	return 0
}

// SetUp changes the line from the host to the network. What waits in its queue goes on at the
// new rate, what is on its way keeps its time. It panics if l is not valid.
func (h *Host) SetUp(l Link) { h.net.setLink(&h.up, l) }

// SetDown changes the line from the network to the host, as SetUp does.
func (h *Host) SetDown(l Link) { h.net.setLink(&h.down, l) }

// Down cuts the host off, as a pulled plug does, or connects it again. Its sockets stay open;
// what it sends is dropped, and so is what comes out of its links while it is cut off.
func (h *Host) Down(down bool) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.runUntil(h.net.now())
	h.cut = down
}

// Stats returns the host's counters.
func (h *Host) Stats() Stats {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.runUntil(h.net.now())
	return h.stats
}

// Queued is how many bytes wait in the queues of the host's up and down links.
func (h *Host) Queued() (up, down int) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.runUntil(h.net.now())
	return h.up.queued, h.down.queued
}

// send starts a datagram on its way.
func (h *Host) send(from *Conn, to netip.AddrPort, payload []byte, ttl int, now time.Duration) {
	h.stats.Sent++
	h.stats.SentBytes += uint64(len(payload))
	h.sent++
	if h.net.inFlight >= maxInFlight {
		h.stats.QueueDrops++
		return
	}
	p := newPacket(payload)
	p.src, p.dst, p.origin, p.seq = from.local, to, h, h.sent
	p.ttl = ttl
	p.draw = h.nextInFlow(flow{from.local.Port(), to})
	h.net.inFlight++
	switch {
	case to.Addr() == h.addr: // loopback: no link, works without a line
		h.deliver(p)
	case h.cut:
		h.cutOff(p)
	default:
		h.up.send(p, now)
	}
}

// nextInFlow is the seed of the draws for the next datagram of a flow.
func (h *Host) nextInFlow(f flow) uint64 {
	if _, known := h.flows[f]; !known && len(h.flows) >= maxFlows {
		f = flow{} // no flow goes to the zero address: this counts for all further ones
	}
	h.flows[f]++
	return mixAddr(mixAddr(mix(h.flows[f], uint64(f.port), uint64(f.to.Port())), h.addr), f.to.Addr()) ^ h.realm.seed
}

// toRealm is the far end of the up link.
func (h *Host) toRealm(p *packet, at time.Duration) {
	if h.cut {
		h.cutOff(p)
		return
	}
	h.realm.route(p, at)
}

// fromRealm is the near end of the down link.
func (h *Host) fromRealm(p *packet, at time.Duration) {
	if h.cut {
		h.cutOff(p)
		return
	}
	h.down.send(p, at)
}

// receive is the far end of the down link.
func (h *Host) receive(p *packet, _ time.Duration) {
	if h.cut {
		h.cutOff(p)
		return
	}
	h.deliver(p)
}

func (h *Host) cutOff(p *packet) {
	h.stats.CutOff++
	h.net.drop(p)
}

// deliver puts p into the receive queue of the socket it is for.
func (h *Host) deliver(p *packet) {
	c := h.conns[p.dst.Port()]
	switch {
	case c == nil:
		p.origin.stats.Unreachable++
		h.net.drop(p)
	case !c.enqueue(p):
		h.stats.SocketDrops++
		h.net.drop(p)
	default:
		h.stats.Delivered++
		h.stats.DeliveredBytes += uint64(len(p.payload))
		h.net.inFlight--
	}
}
