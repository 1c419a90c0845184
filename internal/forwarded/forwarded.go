// SPDX-License-Identifier: GPL-3.0-or-later

// Package forwarded tells who has sent an HTTP request that came through a reverse proxy. Only proxies that the operator
// has named are believed: anybody else may write what he likes into a header.
package forwarded

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds the addresses of a header that are looked at, from the nearest on.
const maxHops = 16

// Proxies are the networks of the proxies that are trusted.
type Proxies []netip.Prefix

// Client is the address of a request's client: the nearest that no trusted proxy has. Where it was forwarded, the port is
// that of the proxy's connection. It is not valid where the connection's address is not.
func (p Proxies) Client(r *http.Request) netip.AddrPort {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	client := plain(remote.Addr())
	if p.trusts(client) {
		client = p.behind(client, r.Header.Values("X-Forwarded-For"))
	}
	return netip.AddrPortFrom(client, remote.Port())
}

// behind goes from a proxy towards the client, as long as each address was written by one that is trusted.
func (p Proxies) behind(proxy netip.Addr, headers []string) netip.Addr {
	rest := strings.Join(headers, ",")
	for range maxHops {
		i := strings.LastIndexByte(rest, ',')
		ip, err := netip.ParseAddr(strings.TrimSpace(rest[i+1:]))
		if err != nil {
			return proxy
		}
		if ip = plain(ip); !p.trusts(ip) || i < 0 {
			return ip
		}
		proxy, rest = ip, rest[:i]
	}
	return proxy
}

func (p Proxies) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(ip) })
}

func plain(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }
