// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !linux

package udp

import (
	"net"
	"net/netip"
)

const kernelTTL = false

func writeTTL(*net.UDPConn, []byte, netip.AddrPort, int) error { return ErrNoTTL }
