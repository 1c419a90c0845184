// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"errors"
	"net/netip"
)

// guessGateway is the first address of the /24 from which datagrams to the internet go: what most homes have.
func guessGateway() (netip.Addr, error) {
	local, err := localAddr()
	if err != nil {
		return netip.Addr{}, err
	}
	b := local.As4()
	b[3] = 1
	ip := netip.AddrFrom4(b)
	if !ip.IsPrivate() {
		return netip.Addr{}, errors.New("no home network")
	}
	return ip, nil
}
