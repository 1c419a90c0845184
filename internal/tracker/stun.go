// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"p2plive/libnet/nat"
)

// listenSTUN binds the STUN server's sockets: two ports at udp, and the same
// two at alt where that is not empty. Without the second port peers still
// learn their public address.
func listenSTUN(udp, alt string, log *slog.Logger) (sockets nat.Sockets, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeSTUN(sockets))
			sockets = nat.Sockets{}
		}
	}()
	second, err := checkAlt(udp, alt)
	if err != nil {
		return sockets, err
	}
	if sockets[0][0], err = net.ListenPacket("udp", udp); err != nil {
		sockets[0][0] = nil
		return sockets, err
	}
	first, next, err := nextPort(udp, sockets[0][0])
	if err != nil {
		return sockets, err
	}
	if alt != "" && (first.Is4() != second.Is4() || first == second) {
		return sockets, fmt.Errorf("the second UDP address %v is not another one of the kind of the first, %v", second, first)
	}
	if sockets[0][1], err = net.ListenPacket("udp", next); err != nil {
		sockets[0][1] = nil // not an interface that holds nil
		if alt != "" {
			return sockets, err
		}
		log.Warn("peers will not learn how their NATs behave: the UDP port after the first cannot be used", "err", err)
		return sockets, nil
	}
	if alt == "" {
		return sockets, nil
	}
	for i, pc := range sockets[0] {
		addr := netip.AddrPortFrom(second, pc.LocalAddr().(*net.UDPAddr).AddrPort().Port())
		if sockets[1][i], err = net.ListenPacket("udp", addr.String()); err != nil {
			sockets[1][i] = nil
			return sockets, err
		}
	}
	return sockets, nil
}

// checkAlt returns the second address, and refuses what cannot be bound beside
// the first one: a socket on all interfaces has the second one's address too.
func checkAlt(udp, alt string) (netip.Addr, error) {
	if alt == "" {
		return netip.Addr{}, nil
	}
	second, err := netip.ParseAddr(alt)
	if err != nil || second.IsUnspecified() {
		return second, fmt.Errorf("the second UDP address %q is not an IP address of this host", alt)
	}
	host, _, err := net.SplitHostPort(udp)
	if err != nil {
		return second, fmt.Errorf("a second UDP address needs a first one, not %q", udp)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return second, fmt.Errorf("with a second UDP address the first one must be named too, not all interfaces: %q", udp)
	}
	return second.Unmap(), nil
}

// nextPort returns the address of a socket, and its host with the next port;
// any port where the socket was given any.
func nextPort(udp string, pc net.PacketConn) (netip.Addr, string, error) {
	host, asked, err := net.SplitHostPort(udp)
	if err != nil {
		return netip.Addr{}, "", err
	}
	local := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	port := 0
	if n, err := net.LookupPort("udp", asked); err != nil || n != 0 {
		port = int(local.Port()) + 1
	}
	return local.Addr().Unmap(), net.JoinHostPort(host, fmt.Sprint(port)), nil
}

// serveSTUN answers STUN and connection requests until ctx ends, and closes the sockets.
func (t *Tracker) serveSTUN(ctx context.Context) error {
	defer closeSTUN(t.stun)
	server, err := nat.NewServer(nat.ServerOptions{Logger: t.log, OnRequest: t.connectionRequest})
	if err != nil {
		return err
	}
	err = server.ServeSockets(ctx, t.stun)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve STUN: %w", err)
}

func closeSTUN(sockets nat.Sockets) error {
	var errs []error
	for _, row := range sockets {
		for _, pc := range row {
			if pc != nil {
				errs = append(errs, pc.Close())
			}
		}
	}
	return errors.Join(errs...)
}
