// SPDX-License-Identifier: GPL-3.0-or-later

// Package nat tells a process which public address and port its UDP socket has behind its NATs:
// the reflexive address, by STUN Binding (RFC 8489) from the very socket that carries the
// sessions, since a NAT maps each socket apart. It has the client and the server.
//
// The client does not own the socket: it sends through a Sender and is fed the datagrams that
// IsSTUN recognises. STUN shares the socket with protocols whose first byte is above 3.
package nat
