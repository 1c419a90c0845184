// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"net/netip"
	"time"
)

// Behaviour is on what of the remote end a NAT's mapping or filtering depends (RFC 4787, sections
// 4.1 and 5).
type Behaviour string

// Behaviours. A server with one address cannot tell the first two apart: NotPortDependent.
const (
	BehaviourUnknown        Behaviour = "unknown"
	EndpointIndependent     Behaviour = "endpoint-independent"
	AddressDependent        Behaviour = "address-dependent"
	AddressAndPortDependent Behaviour = "address-and-port-dependent"
	NotPortDependent        Behaviour = "endpoint-independent or address-dependent"
)

// Type is the short name of how a socket is connected.
type Type string

// Types. Names of NATs are those of the older STUN (RFC 3489), with the number that players of
// games know.
const (
	TypeUnknown  Type = "unknown"  // the server does not answer the tests
	TypeOpen     Type = "open"     // a public address, and everybody may send to it
	TypeFirewall Type = "firewall" // a public address, and only answers come in
	TypeNAT1     Type = "NAT1"     // full cone
	TypeNAT2     Type = "NAT2"     // address-restricted cone; also where it may be a full cone
	TypeNAT3     Type = "NAT3"     // port-restricted cone
	TypeNAT4     Type = "NAT4"     // symmetric: another port for each destination
	TypeBlocked  Type = "blocked"  // UDP does not get through
)

// Allocation is how a NAT chooses the external ports of new mappings.
type Allocation string

// Allocations.
const (
	AllocationUnknown Allocation = "unknown"
	Preserving        Allocation = "preserving" // that of the socket, for its first mapping
	Sequential        Allocation = "sequential" // the last one and a step
	Random            Allocation = "random"
)

// Tristate is an answer that may be missing. It is true, false or null in JSON.
type Tristate uint8

// Values of a Tristate.
const (
	NotKnown Tristate = iota
	No
	Yes
)

func (s Tristate) String() string { return [...]string{"unknown", "no", "yes"}[s] }

// MarshalJSON implements json.Marshaler.
func (s Tristate) MarshalJSON() ([]byte, error) {
	return []byte([...]string{"null", "false", "true"}[s]), nil
}

func yesOrNo(b bool) Tristate {
	if b {
		return Yes
	}
	return No
}

// Result is what Discover has found.
type Result struct {
	Type      Type
	Mapping   Behaviour
	Filtering Behaviour

	// Public are the reflexive addresses seen, the one for the server asked first. A NAT with
	// address- or port-dependent mapping shows several.
	Public []netip.AddrPort

	PortPreserving Tristate   // external ports are those of the sockets
	Hairpin        Tristate   // two sockets inside reach each other by their public addresses
	Allocation     Allocation // unknown where nothing is translated
	Step           int        // of Sequential, otherwise 0

	RTT time.Duration // to the server
}

// classify names a result whose behaviours are known.
func classify(translated bool, mapping, filtering Behaviour) Type {
	if !translated {
		switch filtering {
		case EndpointIndependent, NotPortDependent: // hardly any firewall looks at addresses alone
			return TypeOpen
		case AddressDependent, AddressAndPortDependent:
			return TypeFirewall
		}
		return TypeUnknown
	}
	switch mapping {
	case AddressDependent, AddressAndPortDependent:
		return TypeNAT4
	case EndpointIndependent, NotPortDependent:
		switch filtering {
		case EndpointIndependent:
			return TypeNAT1
		case AddressDependent, NotPortDependent:
			return TypeNAT2
		case AddressAndPortDependent:
			return TypeNAT3
		}
	}
	return TypeUnknown
}
