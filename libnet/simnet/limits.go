// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import "time"

const (
	// maxDatagram is the largest UDP payload over IPv4: 65,535 less the IP and UDP headers.
	maxDatagram = 65507

	// smallBuffer covers a datagram that fits into one Ethernet frame, which is nearly all.
	smallBuffer = 1536

	// defaultQueueTime is the drop-tail buffer of a link whose Queue is not set, as time at the
	// link's rate: what a home router without active queue management has at least.
	defaultQueueTime = 100 * time.Millisecond

	// minDefaultQueue keeps slow links able to take a burst of some twenty full packets.
	minDefaultQueue = 32 << 10

	// maxQueue, maxRate, maxTime keep the time arithmetic far from overflowing 63 bits of ns.
	maxQueue = 1 << 29
	maxRate  = int64(1e12)
	maxTime  = time.Hour

	// defaultReadBuffer bounds the payload waiting in a socket; Linux's default is 212,992.
	defaultReadBuffer = 208 << 10

	// readOverhead is what each waiting datagram counts beside its payload, so that empty
	// datagrams cannot fill memory.
	readOverhead = 64

	// maxInFlight bounds datagrams on the links of a network (some 2 GiB at Ethernet size):
	// a fast link with a long delay holds whatever the program sends.
	maxInFlight = 1 << 20

	// maxFlows bounds the numbered flows of a host; further ones share one counter, so their
	// fates depend on the order among them.
	maxFlows = 1 << 16

	// firstNATPort leaves the well-known ports to servers, as RFC 4787, section 4.2.1, asks.
	firstNATPort = 1024

	// defaultNATTimeout is the least that RFC 4787, section 4.3, allows; many do not keep it.
	defaultNATTimeout = 2 * time.Minute

	// maxNATSessions bounds a NAT's table; home routers have 4,096 to 65,536 entries.
	maxNATSessions = 1 << 16

	// maxNATStep is far above what sequential allocators do, and far below wrapping twice.
	maxNATStep = 1000

	// firstEphemeral is the start of the dynamic ports (RFC 6335, section 6).
	firstEphemeral = 49152

	// defaultTTL is Linux's. coreHops is how many routers a datagram meets in the core: a few at the least
	// between two homes.
	defaultTTL = 64
	coreHops   = 8
)
