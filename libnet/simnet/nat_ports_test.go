// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"cmp"
	"fmt"
	"testing"
	"testing/synctest"
)

// symmetric gives the ports that a socket inside has towards each one outside.
func (h *home) symmetric(from *Conn) (ports []int) {
	for _, host := range h.outside {
		for _, c := range host {
			ports = append(ports, int(h.out(from, c).Port()))
		}
	}
	return ports
}

func TestNATPreservesPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t, NAT3())
		if got := h.out(h.in, h.outside[0][0]).Port(); got != 5000 {
			t.Errorf("external port %d", got)
		}
		other := h.socket(addrIn2, 5000)
		if got := h.out(other, h.outside[0][0]).Port(); got == 5000 || got < 1024 {
			t.Errorf("external port %d of the second with the same", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t, NAT4(Preserving, 0))
		if got := h.symmetric(h.in); got[0] != 5000 || got[1] == 5000 || got[2] == 5000 || got[3] == 5000 {
			t.Errorf("ports %v of a symmetric one, want the first preserved", got)
		}
	})
}

func TestNATSequentialPorts(t *testing.T) {
	for _, step := range []int{0, 1, 2, -3} {
		t.Run(fmt.Sprintf("by %d", step), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := cmp.Or(step, 1)
				h := newHome(t, NAT4(Sequential, step))
				ports := h.symmetric(h.in)
				for i, p := range ports[1:] {
					if p-ports[i] != want {
						t.Errorf("ports %v, want steps of %d", ports, want)
					}
				}
			})
		})
	}
}

func TestNATRandomPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t, NAT4(Random, 0))
		ports := h.symmetric(h.in)
		h.nat.Flush()
		again := h.symmetric(h.in)
		seen := make(map[int]bool)
		for _, p := range append(ports, again...) {
			seen[p] = true
		}
		if len(seen) != 8 {
			t.Errorf("ports %v, then %v", ports, again)
		}
	})
}

// TestNATBlockOfPorts wraps around in a block until none is left.
func TestNATBlockOfPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conf := NAT4(Sequential, 2)
		conf.FirstPort, conf.LastPort = 4000, 4002
		h := newHome(t, conf)
		seen := make(map[uint16]bool)
		for _, c := range []*Conn{h.outside[0][0], h.outside[0][1], h.outside[1][0]} {
			seen[h.out(h.in, c).Port()] = true
		}
		if len(seen) != 3 || !seen[4000] || !seen[4001] || !seen[4002] {
			t.Errorf("ports %v", seen)
		}
		if _, ok := h.pass(h.in, h.outside[1][1].local, h.outside[1][1]); ok {
			t.Error("a fourth mapping in a block of three ports")
		}
		if got := h.nat.Stats(); got != (NATStats{Mappings: 3, Sessions: 3, Refused: 1}) {
			t.Errorf("counted %+v", got)
		}
	})
}
