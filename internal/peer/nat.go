// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"fmt"
	"net"

	"p2plive/internal/sockets"
	"p2plive/libnet/nat"
)

// DiscoverNAT learns from a STUN server "host:port" how the NATs before the host's
// socket behave. It takes about 2 s. NATStatus tells the result from then on.
func (h *Host) DiscoverNAT(ctx context.Context, server string) (r nat.Result, err error) {
	learned := h.punching.learn()
	defer func() { learned(r.Class(), err) }()
	addr, err := Resolve(ctx, server)
	if err != nil {
		return nat.Result{}, fmt.Errorf("find STUN server %s: %w", server, err)
	}
	r, err = nat.Discover(ctx, nat.DiscoverConfig{
		Client: h.stun, Server: addr, Local: nat.LocalAddrs(h.LocalAddr()), Open: h.openSocket,
	})
	if err != nil {
		return nat.Result{}, err
	}
	h.log.Debug("NAT behaviour", "type", r.Type, "mapping", r.Mapping, "filtering", r.Filtering,
		"allocation", r.Allocation, "public", r.Public)
	h.mu.Lock()
	h.nat = &r
	h.mu.Unlock()
	return r, nil
}

// MappingLifetime measures how long the NATs keep a mapping that nothing is sent
// through. It takes up to a quarter of an hour.
func (h *Host) MappingLifetime(ctx context.Context, server string) (nat.Lifetime, error) {
	addr, err := Resolve(ctx, server)
	if err != nil {
		return nat.Lifetime{}, fmt.Errorf("find STUN server %s: %w", server, err)
	}
	return nat.MeasureLifetime(ctx, nat.LifetimeConfig{Server: addr, Open: h.openSocket})
}

// NATStatus is what the newest DiscoverNAT has found.
func (h *Host) NATStatus() NATStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := NATStatus{Mapping: unknown, Filtering: unknown, Type: unknown}
	if h.nat != nil {
		s = NATStatus{Mapping: string(h.nat.Mapping), Filtering: string(h.nat.Filtering), Type: string(h.nat.Type)}
	}
	if h.mapped.IsValid() {
		s.Mapped = h.mapped.String()
	}
	return s
}

// Class is how the host is connected, as the newest DiscoverNAT has found.
func (h *Host) Class() nat.Class { return h.punching.ownClass() }

// openSocket opens a further socket at the address of the host's own.
func (h *Host) openSocket() (net.PacketConn, error) {
	if h.cfg.OpenSocket != nil {
		return h.cfg.OpenSocket()
	}
	ip := ""
	if local := h.LocalAddr().Addr(); !local.IsUnspecified() {
		ip = local.String()
	}
	return sockets.Or(h.cfg.Network).ListenPacket(net.JoinHostPort(ip, "0"))
}
