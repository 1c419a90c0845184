// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"net/netip"
)

// allocation makes new mappings one after another and looks at their ports. A mapping is new for a
// socket that has sent nothing yet and, according to the NAT, for another destination.
func (d *discovery) allocation(ctx context.Context) {
	if len(d.extras) == 0 {
		return
	}
	ports := []int{}
	add := func(m netip.AddrPort) {
		if m.IsValid() {
			ports = append(ports, int(m.Port()))
		}
	}
	preserved, firsts := 0, 0
	first := func(local []netip.AddrPort, m netip.AddrPort) {
		firsts++
		if len(local) > 0 && local[0].Port() == m.Port() {
			preserved++
		}
	}
	first(d.cfg.Local, d.mapped[0][0])
	again := d.again()
	for _, e := range d.extras {
		m, err := e.client.ask(ctx, question{to: d.cfg.Server, waits: d.patience()})
		if err != nil {
			continue
		}
		e.mapped = m.addr
		first([]netip.AddrPort{e.local}, m.addr)
		add(m.addr)
		if again.IsValid() {
			if m, err := e.client.ask(ctx, question{to: again, waits: d.patience()}); err == nil {
				add(m.addr)
			}
		}
	}
	if firsts < 2 {
		return
	}
	d.result.PortPreserving = yesOrNo(2*preserved > firsts)
	if d.result.PortPreserving == Yes {
		d.result.Allocation = Preserving
		return
	}
	d.result.Allocation, d.result.Step = pattern(ports)
}

// again is a destination for which the NAT makes a second mapping; zero: there is none.
func (d *discovery) again() netip.AddrPort {
	switch d.result.Mapping {
	case AddressAndPortDependent:
		return d.others[0][1]
	case AddressDependent:
		return d.others[1][0]
	}
	return netip.AddrPort{}
}

// pattern tells sequential from random ports. Others behind the same NAT take ports too, so the
// distances are multiples of the step now and then; one distance may be anything, where the
// allocator wraps. The step is the most frequent distance, the smallest among equals.
func pattern(ports []int) (Allocation, int) {
	if len(ports) < minPorts {
		return AllocationUnknown, 0
	}
	up, down := make(map[int]int), make(map[int]int)
	ups, downs := 0, 0
	for i, p := range ports[1:] {
		switch d := p - ports[i]; {
		case d > 0 && d <= maxStride:
			up[d]++
			ups++
		case d < 0 && d >= -maxStride:
			down[-d]++
			downs++
		}
	}
	switch need := len(ports) - 2; {
	case ups >= need:
		return Sequential, mostFrequent(up)
	case downs >= need:
		return Sequential, -mostFrequent(down)
	}
	return Random, 0
}

func mostFrequent(counts map[int]int) (best int) {
	for d, n := range counts {
		if best == 0 || n > counts[best] || n == counts[best] && d < best {
			best = d
		}
	}
	return best
}
