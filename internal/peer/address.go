// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"p2plive/internal/signal"
)

const (
	// stunTimeout is what asking for the public address may delay an announce.
	// Where UDP is blocked, it is part of the time to the first picture.
	stunTimeout = time.Second
	// maxLocal bounds the interfaces' addresses that are announced, maxIPv6 those of IPv6 among them: hosts have several
	// for their privacy.
	maxLocal = 4
	maxIPv6  = 2
)

// Addresses returns where other peers may reach the host, best first: the one
// that a router forwards, the
// address that the tracker's STUN port sees, the one that its HTTP port sees
// (as an unspecified address), and those of the local interfaces.
func (h *Host) Addresses(ctx context.Context, hello signal.Hello) []netip.AddrPort {
	local := h.LocalAddr()
	var addrs []netip.AddrPort
	add := func(a netip.AddrPort) {
		if a.IsValid() && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	add(h.Mapped())
	if !local.Addr().IsUnspecified() {
		add(local)
		return addrs
	}
	mapped := len(addrs)
	if server, err := Resolve(ctx, hello.TrackerUDP); err == nil {
		ctx, cancel := context.WithTimeout(ctx, stunTimeout)
		defer cancel()
		reflexive, err := h.Reflexive(ctx, server)
		if err != nil {
			h.log.Debug("public address not known", "server", server, "err", err)
		}
		h.tunnels.heardUDP(err == nil)
		add(reflexive)
	}
	if len(addrs) == mapped {
		add(netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port()))
	}
	for _, ip := range interfaceAddrs(local.Addr().Is6()) {
		add(netip.AddrPortFrom(ip, local.Port()))
	}
	return addrs
}

// Resolve looks a "host:port" up, preferring IPv4, which every NAT speaks.
func Resolve(ctx context.Context, hostport string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	i := max(slices.IndexFunc(ips, func(ip netip.Addr) bool { return ip.Unmap().Is4() }), 0)
	return netip.AddrPortFrom(ips[i].Unmap(), uint16(port)), nil
}

// interfaceAddrs returns unicast addresses of the host's interfaces that a neighbour could reach or, of IPv6, anybody:
// at most maxLocal.
func interfaceAddrs(dual bool) []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var v4, v6 []netip.Addr
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || !prefix.Addr().IsGlobalUnicast() {
			continue
		}
		switch ip := prefix.Addr(); {
		case ip.Is4():
			v4 = append(v4, ip)
		case dual && len(v6) < maxIPv6:
			v6 = append(v6, ip)
		}
	}
	return append(v4[:min(len(v4), maxLocal-len(v6))], v6...)
}
