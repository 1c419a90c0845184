// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import "net/netip"

// This file introduces viewers that are near each other: what one of them has
// need not come from afar once more.

// A viewer's two places, by the address that it is seen at. A home or an office
// has one IPv4 address and, as RIPE-690 recommends, an IPv6 /56 or more. Of an
// operator's customers those of one region mostly share an IPv4 /16; an IPv6 /32
// is the least that an operator is given.
const (
	siteBits4, siteBits6         = 32, 56
	operatorBits4, operatorBits6 = 16, 32
)

// placesOf returns the site and the part of the operator's network.
func placesOf(ip netip.Addr) [2]netip.Prefix {
	ip = ip.Unmap().WithZone("")
	site, operator := siteBits4, operatorBits4
	if ip.Is6() {
		site, operator = siteBits6, operatorBits6
	}
	return [2]netip.Prefix{
		netip.PrefixFrom(ip, site).Masked(), netip.PrefixFrom(ip, operator).Masked(),
	}
}

// nearby lists an audience's viewers by site and by operator. Each knows where it
// stands in the lists.
type nearby [2]map[netip.Prefix][]*member

func (n *nearby) add(m *member) {
	for i, place := range placesOf(m.observed) {
		if n[i] == nil {
			n[i] = make(map[netip.Prefix][]*member)
		}
		m.spots[i] = len(n[i][place])
		n[i][place] = append(n[i][place], m)
	}
}

func (n *nearby) remove(m *member) {
	for i, place := range placesOf(m.observed) {
		list := n[i][place]
		last := len(list) - 1
		list[m.spots[i]] = list[last]
		list[last].spots[i] = m.spots[i]
		list[last] = nil
		if n[i][place] = list[:last]; last == 0 {
			delete(n[i], place)
		}
	}
}

// drawNear offers viewers of the same site, and then of the same operator, until
// a quarter of n is accepted of each. The others, half at least, are drawn from
// everybody: a swarm must not fall apart into islands, and who is behind one
// carrier's NAT cannot always reach the others there.
func (r *registry) drawNear(m *member, audiences []*audience, n int, accept func(*member) bool) {
	for i, place := range placesOf(m.observed) {
		total := 0
		for _, a := range audiences {
			total += len(a.near[i][place])
		}
		if total < 2 { // nobody but itself
			continue
		}
		left := n / 4
		for tries := n; tries > 0 && left > 0; tries-- {
			at := r.rng.IntN(total)
			for _, a := range audiences {
				list := a.near[i][place]
				if at < len(list) {
					if accept(list[at]) {
						left--
					}
					break
				}
				at -= len(list)
			}
		}
	}
}
