// SPDX-License-Identifier: GPL-3.0-or-later

// Package tunnel carries datagrams over a WebSocket, for networks that block UDP. Each end is a net.PacketConn with one
// peer: what runs over UDP runs over it unchanged, with its own security. It is neither a proxy nor a VPN: an end that
// accepts tunnels hands them to its own program, and nothing leaves it for anywhere else.
package tunnel
