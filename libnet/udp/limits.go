// SPDX-License-Identifier: GPL-3.0-or-later

package udp

const (
	// MaxDatagram is the longest datagram a read delivers whole. Protocols here stay below the Ethernet
	// MTU; a longer one is cut and fails its own checks.
	MaxDatagram = 2048

	// maxBatch bounds one system call. Beyond 64 the cost per datagram no longer falls.
	maxBatch = 64

	// socketBuffer is asked of the kernel for each direction: at 400 Mbit/s it covers 80 ms in which the
	// process does not run. The kernel may grant less.
	socketBuffer = 4 << 20
)
