// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !linux

package udp

import "net"

func newBatcher(u *net.UDPConn, _ Config, c *counters) (batcher, error) { return newSingle(u, c), nil }

func forceBuffers(*net.UDPConn) {}
