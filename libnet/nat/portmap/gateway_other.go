// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !linux

package portmap

import "net/netip"

func defaultGateway() (netip.Addr, error) { return guessGateway() }
