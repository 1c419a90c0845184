// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// guard counts and rates what each address does, before it costs anything.
type guard struct {
	mu    sync.Mutex
	total int
	ips   map[netip.Prefix]*visitor
}

type visitor struct {
	conns    int
	connects *rate.Limiter
	requests *rate.Limiter
	seen     time.Time
}

func newGuard() *guard { return &guard{ips: make(map[netip.Prefix]*visitor)} }

// prefixOf is what one customer holds: an IPv4 address or an IPv6 /64.
func prefixOf(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}

func (g *guard) visit(now time.Time, ip netip.Addr) *visitor {
	key := prefixOf(ip)
	v := g.ips[key]
	if v == nil {
		if len(g.ips) >= maxIPs {
			return nil
		}
		v = &visitor{
			connects: rate.NewLimiter(connectRate, connectBurst),
			requests: rate.NewLimiter(apiRate, apiBurst),
		}
		g.ips[key] = v
	}
	v.seen = now
	return v
}

// connect asks for one more connection; with true, disconnect has to follow.
func (g *guard) connect(now time.Time, ip netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.visit(now, ip)
	if v == nil || g.total >= maxConns || v.conns >= maxConnsPerIP || !v.connects.AllowN(now, 1) {
		return false
	}
	v.conns++
	g.total++
	return true
}

func (g *guard) disconnect(ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ips[prefixOf(ip)].conns--
	g.total--
}

// request asks for one more plain HTTP request.
func (g *guard) request(now time.Time, ip netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.visit(now, ip)
	return v != nil && v.requests.AllowN(now, 1)
}

// sweep forgets addresses whose limits are full again.
func (g *guard) sweep(now time.Time) {
	const forget = max(connectBurst/connectRate, apiBurst/apiRate) * time.Second
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, v := range g.ips {
		if v.conns == 0 && now.Sub(v.seen) > forget {
			delete(g.ips, key)
		}
	}
}
