// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !linux

package udp

import "net"

func newBatcher(u *net.UDPConn) batcher { return newSingle(u) }

// growBuffers asks for larger buffers; the kernel grants what its limit allows.
func growBuffers(u *net.UDPConn) {
	u.SetReadBuffer(socketBuffer)
	u.SetWriteBuffer(socketBuffer)
}
