// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"net/netip"

	"p2plive/internal/signal"
	"p2plive/internal/wire"
)

type way = signal.Way

// way says how a session's peer is reached at present.
func (h *Host) way(ss *session) way {
	p := ss.conn.Path()
	switch {
	case h.tunnels.has(p.Socket):
		return signal.ServerWay(signal.PathTunnel, ss.swarm.cfg.EdgeOnly, h.Class().Type)
	case ss.role != wire.RoleViewer:
		return signal.ServerWay(signal.PathEdge, ss.swarm.cfg.EdgeOnly, h.Class().Type)
	}
	if w, ok := h.punching.reached(ss.peer); ok {
		return w
	}
	if isLocal(p.Addr.Addr()) {
		return way{Path: signal.PathLAN}
	}
	return way{Path: signal.PathDirect}
}

// isLocal tells whether an address is of a network at home.
func isLocal(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}
