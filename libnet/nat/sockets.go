// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"
)

// Sockets are those of a server, by address and port: [0][0] is the one that clients know, [0][1]
// has another port at the same address, [1][0] and [1][1] have the same two ports at another.
//
// With [0][0] alone a server tells clients their public address. With the first two it also answers
// the tests of RFC 5780 that depend on ports, with all four those that depend on addresses.
type Sockets [2][2]net.PacketConn

var errSockets = errors.New("nat: a STUN server has one socket, two at one address, or four")

// ServeSockets answers requests on all sockets until ctx is done, and then returns its cause; the
// sockets stay open, with their read deadlines passed. If one is closed or fails for good, it
// returns that error.
func (s *Server) ServeSockets(ctx context.Context, sockets Sockets) error {
	second := sockets[1][0] != nil
	if sockets[0][0] == nil || second != (sockets[1][1] != nil) || second && sockets[0][1] == nil {
		return errSockets
	}
	var all site
	for a, row := range sockets {
		for p, pc := range row {
			if pc != nil {
				all[a][p] = newPort(pc)
			}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for a, row := range all {
		for p, here := range row {
			if here != nil {
				group.Go(func() error { return s.serve(ctx, &all, a, p) })
			}
		}
	}
	return group.Wait()
}

// site is a server's sockets at work.
type site [2][2]*port

// view is a server as seen through the socket that a request came to.
type view struct {
	site    *site
	a, p    int        // the socket
	arrived netip.Addr // the address that the request was sent to, where that is known
}

// tests is whether the server answers the tests of RFC 5780.
func (v view) tests() bool { return v.site != nil && v.site[0][1] != nil }

// can is whether it can answer from elsewhere.
func (v view) can(c change) bool {
	return v.tests() && (!c.addr || v.site[1][0] != nil)
}

// from is the socket that answers, and the address and port it is known by.
func (v view) from(c change) (*port, netip.AddrPort) {
	a, p := v.a, v.p
	if c.addr {
		a ^= 1
	}
	if c.port {
		p ^= 1
	}
	k := v.site[a][p]
	if k.local.Addr().IsUnspecified() && a == v.a {
		return k, netip.AddrPortFrom(v.arrived, k.local.Port())
	}
	return k, k.local
}

// other is what OTHER-ADDRESS tells: the address and port that differ as far as they can. It has
// no valid address where the server does not know its own.
func (v view) other() netip.AddrPort {
	_, other := v.from(change{addr: v.can(change{addr: true}), port: true})
	return other
}

// change is what a client wants to be different in the source of the answer (CHANGE-REQUEST).
type change struct{ addr, port bool }

// Bits of CHANGE-REQUEST (RFC 5780, section 7.2).
const (
	changeAddrBit = 0x4
	changePortBit = 0x2
)
