// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"
)

// draws is a short stream of random numbers for one datagram on one link (SplitMix64;
// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
type draws uint64

const golden = 0x9e3779b97f4a7c15

func (d *draws) next() uint64 {
	*d += golden
	return scramble(uint64(*d))
}

// hit is true with probability p.
func (d *draws) hit(p float64) bool {
	return float64(d.next()>>11)/(1<<53) < p
}

// upTo is uniform in [0, limit].
func (d *draws) upTo(limit time.Duration) time.Duration {
	hi, _ := bits.Mul64(d.next(), uint64(limit)+1)
	return time.Duration(hi)
}

// scramble is SplitMix64's output function: a bijection that spreads each bit over all.
func scramble(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// mix folds values into one seed; their order matters.
func mix(seed uint64, values ...uint64) uint64 {
	for _, v := range values {
		seed = scramble(seed*golden + v + 1)
	}
	return seed
}

// mixAddr folds an address into a seed. Zones are left out: they are names.
func mixAddr(seed uint64, a netip.Addr) uint64 {
	b := a.As16()
	return mix(seed, binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]))
}
