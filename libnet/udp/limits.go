// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import "time"

const (
	// MaxDatagram is the longest datagram a read delivers whole. Protocols here stay below the Ethernet
	// MTU; a longer one is cut and fails its own checks. Longer ones are not merged on sending either.
	MaxDatagram = 2048

	// maxBatch bounds the datagrams of one system call: two full merged sends. Beyond that the cost per datagram no
	// longer falls.
	maxBatch = 128

	// maxSegments and maxMerged bound a merged send: UDP_MAX_SEGMENTS of kernels before 6.9, and what fits
	// an IPv4 packet of 65,535 bytes with its headers, which IPv6 has room for, too.
	maxSegments = 64
	maxMerged   = 65535 - 20 - 8

	// maxRefusals is how many merged sends in a row the kernel may refuse for a reason that can lie in
	// the path, such as an MTU below the segment size, before the socket stops merging.
	maxRefusals = 16

	// groBatch buffers of groBuffer bytes serve one read of a socket with GRO: each holds the longest merged
	// datagram, so few do. 16 cost 8% less than 8 where nothing can be merged, 64 another 4%.
	groBatch  = 16
	groBuffer = 64 << 10

	// maxIdleArenas bounds the read buffers that are kept while no socket reads, 1 MiB each: more readers than
	// that rarely find data at the same moment.
	maxIdleArenas = 8

	// maxZones bounds the interface names remembered for link-local addresses.
	maxZones = 64

	// maxReadErrors is how many errors in a row a read passes over: each datagram that an earlier send
	// provoked a refusal for may leave one. A socket that fails for good must not keep a core busy.
	maxReadErrors = 16

	// trialTimeout bounds the trial of the offloads over loopback, where a datagram needs some microseconds.
	trialTimeout = 200 * time.Millisecond

	// socketBuffer is asked of the kernel for each direction: at 400 Mbit/s it covers 80 ms in which the
	// process does not run. The kernel may grant less.
	socketBuffer = 4 << 20
)
