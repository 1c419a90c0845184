// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !linux

package udp

import "net"

func newBatcher(u *net.UDPConn) batcher { return newSingle(u) }

func forceBuffers(*net.UDPConn) {}
