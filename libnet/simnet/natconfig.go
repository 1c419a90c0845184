// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"errors"
	"fmt"
	"time"
)

// Behaviour is on what of the remote end a NAT's mapping or filtering depends (RFC 4787,
// sections 4.1 and 5).
type Behaviour uint8

// Behaviours.
const (
	EndpointIndependent Behaviour = iota
	AddressDependent
	AddressAndPortDependent
)

func (b Behaviour) String() string {
	switch b {
	case EndpointIndependent:
		return "endpoint-independent"
	case AddressDependent:
		return "address-dependent"
	case AddressAndPortDependent:
		return "address-and-port-dependent"
	}
	return fmt.Sprintf("Behaviour(%d)", uint8(b))
}

// Allocation is how a NAT chooses the external port of a new mapping.
type Allocation uint8

// Allocations.
const (
	Preserving Allocation = iota // the internal port where it is free, otherwise a random one
	Sequential                   // the last one and a step; a taken one is passed over
	Random
)

func (a Allocation) String() string {
	switch a {
	case Preserving:
		return "preserving"
	case Sequential:
		return "sequential"
	case Random:
		return "random"
	}
	return fmt.Sprintf("Allocation(%d)", uint8(a))
}

// Hairpin is what a NAT does with what is sent from inside to its public address (RFC 4787,
// section 6). Filtering applies, with the sender's external address as the source.
type Hairpin uint8

// Hairpins.
const (
	NoHairpin             Hairpin = iota
	HairpinExternalSource         // the receiver sees the sender's external address, as RFC 4787 wants
	HairpinInternalSource         // the receiver sees the sender's internal address
)

// NATConfig is how a NAT behaves, in the terms of RFC 4787. The zero value is a full cone NAT
// that preserves ports and does not hairpin.
type NATConfig struct {
	// Mapping says which destinations an internal address and port has one external port for.
	Mapping Behaviour

	// Filtering says who may send in through a mapping: anybody, the addresses that it has been
	// used to send to, or the addresses and ports.
	Filtering Behaviour

	Ports Allocation
	Step  int // of Sequential, not beyond +-1,000; 0: 1

	// FirstPort and LastPort bound the external ports, as a carrier's port block does.
	// 0: 1024 to 65535.
	FirstPort, LastPort uint16

	// Overload lets mappings of different remote ends have the same external port (port
	// overloading). With Mapping AddressAndPortDependent and Ports Preserving that is what Linux
	// does: as long as no port is taken it looks like endpoint-independent mapping.
	Overload bool

	// KeepUnasked makes what is not let in take its external port, towards its sender, as if the
	// box itself had a connection there: what Linux does unless a rule drops what comes unasked.
	// Who sends there from inside gets another external port then. It needs Overload.
	KeepUnasked bool

	// Timeout is how long an entry of the table lives after the last datagram that refreshes
	// it: one that goes out and, with RefreshInbound, one that is let in. At most an hour.
	// 0: two minutes, the least that RFC 4787 allows.
	Timeout        time.Duration
	RefreshInbound bool

	Hairpin Hairpin

	// Sessions bounds the table. An entry is a mapping and, unless Filtering is
	// EndpointIndependent, one address (and port) that may send in through it. What would need
	// an entry more is blocked. 0: 65,536, which is also the most.
	Sessions int

	// Firewall leaves addresses and ports as they are and only filters. What is inside has public
	// addresses. What is about mappings, ports and hairpinning must be left zero.
	Firewall bool

	BlockUDP bool // nothing passes, in either direction
}

// NAT1 is a full cone NAT: once a mapping exists, anybody may send in through it.
func NAT1() NATConfig { return NATConfig{} }

// NAT2 is an address-restricted cone NAT.
func NAT2() NATConfig { return NATConfig{Filtering: AddressDependent} }

// NAT3 is a port-restricted cone NAT.
func NAT3() NATConfig { return NATConfig{Filtering: AddressAndPortDependent} }

// NAT4 is a symmetric NAT: it has another external port for each destination. step counts for
// Sequential only.
func NAT4(ports Allocation, step int) NATConfig {
	return NATConfig{Mapping: AddressAndPortDependent, Filtering: AddressAndPortDependent, Ports: ports, Step: step}
}

// Masquerade is Linux's NAT: symmetric by its rules, but with the port of the socket wherever that
// is free, so mostly like NAT3. keepUnasked is that of a router that does not drop what comes unasked.
func Masquerade(keepUnasked bool) NATConfig {
	conf := NAT4(Preserving, 0)
	conf.Overload, conf.KeepUnasked, conf.RefreshInbound = true, keepUnasked, true
	return conf
}

// Firewall lets in only what answers, and translates nothing.
func Firewall() NATConfig { return NATConfig{Firewall: true, Filtering: AddressAndPortDependent} }

// filled returns c with its defaults, or what is wrong with it.
func (c NATConfig) filled() (NATConfig, error) {
	if c.Firewall && (c.Mapping != 0 || c.Ports != 0 || c.Step != 0 || c.FirstPort != 0 || c.LastPort != 0 || c.Hairpin != 0 || c.Overload) {
		return c, errors.New("simnet: a firewall does not map, choose ports or hairpin")
	}
	if c.KeepUnasked && !c.Overload {
		return c, errors.New("simnet: a NAT keeps what comes unasked only with port overloading")
	}
	if c.Step == 0 {
		c.Step = 1
	}
	if c.FirstPort == 0 {
		c.FirstPort = firstNATPort
	}
	if c.LastPort == 0 {
		c.LastPort = 1<<16 - 1
	}
	if c.Timeout == 0 {
		c.Timeout = defaultNATTimeout
	}
	if c.Sessions == 0 {
		c.Sessions = maxNATSessions
	}
	switch {
	case c.Mapping > AddressAndPortDependent:
		return c, fmt.Errorf("simnet: NAT mapping %v is not known", c.Mapping)
	case c.Filtering > AddressAndPortDependent:
		return c, fmt.Errorf("simnet: NAT filtering %v is not known", c.Filtering)
	case c.Ports > Random:
		return c, fmt.Errorf("simnet: NAT port allocation %v is not known", c.Ports)
	case c.Hairpin > HairpinInternalSource:
		return c, fmt.Errorf("simnet: NAT hairpinning %d is not known", c.Hairpin)
	case c.Step < -maxNATStep || c.Step > maxNATStep:
		return c, fmt.Errorf("simnet: NAT port step %d is not between %d and %d", c.Step, -maxNATStep, maxNATStep)
	case c.LastPort < c.FirstPort:
		return c, fmt.Errorf("simnet: NAT ports from %d to %d are none", c.FirstPort, c.LastPort)
	case c.Timeout < 0 || c.Timeout > maxTime:
		return c, fmt.Errorf("simnet: NAT timeout %v is not between 0 and %v", c.Timeout, maxTime)
	case c.Sessions < 0 || c.Sessions > maxNATSessions:
		return c, fmt.Errorf("simnet: NAT table of %d sessions is not between 0 and %d", c.Sessions, maxNATSessions)
	}
	return c, nil
}
