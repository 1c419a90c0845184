// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"net/netip"

	"p2plive/internal/wire"
)

// Words for how a peer is reached, best first.
const (
	PathLAN       = "lan"                 // in the same network
	PathDirect    = "direct"              // at an address that needs no help
	PathMapped    = "mapped"              // at a port that a router has opened on request
	PathPunched   = "punched"             // through both NATs, opened from both sides at once
	PathPredicted = "predicted"           // the same, at a port that had to be guessed
	PathEdge      = "edge"                // a server
	PathTunnel    = "edge over WebSocket" // a server, where UDP is blocked
)

// way is how a peer is reached, and why not better, in one sentence; empty where it could not be better.
type way struct{ path, reason string }

// way says how a session's peer is reached at present.
func (h *Host) way(ss *session) way {
	p := ss.conn.Path()
	switch {
	case h.tunnels.has(p.Socket):
		return way{PathTunnel, "No answer comes over UDP, so the data comes over the web port."}
	case ss.role != wire.RoleViewer:
		return way{PathEdge, h.whyEdge(ss.swarm.cfg.EdgeOnly)}
	}
	if w, ok := h.punching.reached(ss.peer); ok {
		return w
	}
	if isLocal(p.Addr.Addr()) {
		return way{path: PathLAN}
	}
	return way{path: PathDirect}
}

// whyEdge says why an edge is among the peers.
func (h *Host) whyEdge(edgeOnly bool) string {
	switch natType := h.NATStatus().Type; {
	case edgeOnly:
		return "Only edges are asked, as --edge-only says."
	case natType == "NAT4":
		return "The NAT here gives each peer another port (NAT4), so that few viewers can be reached."
	}
	return "An edge feeds the first viewers and gives what no viewer has in time."
}

// isLocal tells whether an address is of a network at home.
func isLocal(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}
