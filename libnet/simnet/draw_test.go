// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"math"
	"net/netip"
	"testing"
)

// TestDrawsAreIndependent: over many seeds, the losses of a flow on the up link of a host, of
// the opposite flow on its down link, and of both together are as frequent and as scattered as
// independent draws are.
func TestDrawsAreIndependent(t *testing.T) {
	const seeds, count, p = 500, 200, 0.3
	there := flow{1000, netip.AddrPortFrom(addrB, 2000)}
	back := flow{2000, netip.AddrPortFrom(addrA, 1000)}
	var up, down, both moments
	for seed := range uint64(seeds) {
		n := newNetwork(t, seed)
		a, b := newTestHost(t, n, addrA, Link{}, Link{}), newTestHost(t, n, addrB, Link{}, Link{})
		var ups, downs, boths int
		for range count {
			d := draws(mix(a.up.seed, a.nextInFlow(there)))
			lostUp := d.hit(p)
			d = draws(mix(a.down.seed, b.nextInFlow(back)))
			lostDown := d.hit(p)
			ups += number(lostUp)
			downs += number(lostDown)
			boths += number(lostUp && lostDown)
		}
		up.add(ups, count, p)
		down.add(downs, count, p)
		both.add(boths, count, p*p)
	}
	for name, m := range map[string]moments{"up": up, "down": down, "both": both} {
		// Standard deviations: 1/sqrt(seeds) = 0.045 of the mean, sqrt(2/seeds) = 0.063 of the variance.
		if mean := m.sum / seeds; math.Abs(mean) > 4*0.045 {
			t.Errorf("%s: losses are off by %.3f standard deviations on average", name, mean)
		}
		if variance := m.squares / seeds; math.Abs(variance-1) > 4*0.063 {
			t.Errorf("%s: losses scatter with a variance of %.3f of a binomial's", name, variance)
		}
	}
}

// moments collects deviations from a binomial distribution, in its standard deviations.
type moments struct{ sum, squares float64 }

func (m *moments) add(hits, of int, p float64) {
	z := (float64(hits) - float64(of)*p) / math.Sqrt(float64(of)*p*(1-p))
	m.sum += z
	m.squares += z * z
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
