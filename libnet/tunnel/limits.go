// SPDX-License-Identifier: GPL-3.0-or-later

package tunnel

import "time"

const (
	// MaxDatagram bounds a datagram, and so a message, in bytes. Protocols for UDP stay below the Ethernet MTU.
	MaxDatagram = 2048

	// queueSize bounds the datagrams that wait for the TCP connection, 256 full ones of 1452 bytes are 372 kB: more than
	// a window on most lines, at 5 Mbit/s half a second. Further ones are dropped, as a router does.
	queueSize = 256

	// dialTimeout bounds Dial, beside its context.
	dialTimeout = 10 * time.Second
	// firstTimeout is how long a server waits for a first datagram, idleTimeout how long for any further one: sessions
	// ask for a sign of life every few seconds.
	firstTimeout = 10 * time.Second
	idleTimeout  = 30 * time.Second
	// lingerTimeout is how long Close lets waiting datagrams, such as farewells, leave.
	lingerTimeout = 500 * time.Millisecond

	// defaultMaxTunnels bounds a server's tunnels: some 300 kB each in the kernel's and our own buffers at worst.
	defaultMaxTunnels = 1024
	// maxPerAddress bounds the tunnels of one address (IPv6: one /64): a school or an office that blocks UDP shares one.
	maxPerAddress = 64
)
