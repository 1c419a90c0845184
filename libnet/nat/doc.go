// SPDX-License-Identifier: GPL-3.0-or-later

// Package nat tells a process how its UDP socket is seen through its NATs, by STUN from the very
// socket that carries the sessions, since a NAT maps each socket apart: its public address and port
// (RFC 8489), and how the NATs map, filter and choose ports (RFC 5780), which says with whom direct
// connections are possible. It has the client and the server.
//
// The client does not own the socket: it sends through a Sender and is fed the datagrams that
// IsSTUN recognises. STUN shares the socket with protocols whose first byte is above 3.
package nat
