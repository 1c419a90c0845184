// SPDX-License-Identifier: GPL-3.0-or-later

package natsim

import (
	"p2plive/libnet/nat"
	"p2plive/libnet/simnet"
)

// Kind is how a peer is connected.
type Kind struct {
	Name  string
	NAT   *simnet.NATConfig // nil: none
	Class nat.Class         // what discovery tells of it
}

// Kinds are those of the matrix.
func Kinds() []Kind {
	behind := func(name string, conf simnet.NATConfig, class nat.Class) Kind {
		return Kind{Name: name, NAT: &conf, Class: class}
	}
	blocked := simnet.NAT1()
	blocked.BlockUDP = true
	return []Kind{
		{Name: "open", Class: nat.Class{Type: nat.TypeOpen}},
		behind("firewall", simnet.Firewall(), nat.Class{Type: nat.TypeFirewall}),
		behind("NAT1", simnet.NAT1(), nat.Class{Type: nat.TypeNAT1, Allocation: nat.Preserving}),
		behind("NAT2", simnet.NAT2(), nat.Class{Type: nat.TypeNAT2, Allocation: nat.Preserving}),
		behind("NAT3", simnet.NAT3(), nat.Class{Type: nat.TypeNAT3, Allocation: nat.Preserving}),
		behind("NAT4 random", simnet.NAT4(simnet.Random, 0), nat.Class{Type: nat.TypeNAT4, Allocation: nat.Random}),
		behind("NAT4 sequential", simnet.NAT4(simnet.Sequential, 1),
			nat.Class{Type: nat.TypeNAT4, Allocation: nat.Sequential, Step: 1}),
		behind("no UDP", blocked, nat.Class{Type: nat.TypeBlocked}),
	}
}

// Masquerade is Linux's NAT without a rule that drops what comes unasked; see nat.Puncher.
func Masquerade() Kind {
	conf := simnet.Masquerade(true)
	return Kind{Name: "masquerade", NAT: &conf, Class: nat.Class{Type: nat.TypeNAT3, Allocation: nat.Preserving}}
}
