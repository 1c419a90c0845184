// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !linux

package nat

import (
	"net"
	"net/netip"
)

// Elsewhere than on Linux the system is not asked to which address a datagram came. A server on
// all interfaces then leaves its own address out of its answers.

func wantDestination(*net.UDPConn, bool) bool { return false }

func destination([]byte) netip.Addr { return netip.Addr{} }

func sourceControl(netip.Addr, bool) []byte { return nil }
