// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"fmt"
	"net/netip"
	"slices"
	"unicode/utf8"

	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/nat"
)

// natTypes and natAllocations are by the numbers that they have in messages.
var (
	natTypes = []nat.Type{
		nat.TypeUnknown, nat.TypeOpen, nat.TypeFirewall, nat.TypeNAT1, nat.TypeNAT2, nat.TypeNAT3, nat.TypeNAT4, nat.TypeBlocked,
	}
	natAllocations = []nat.Allocation{nat.AllocationUnknown, nat.Preserving, nat.Sequential, nat.Random}
)

// NATMessage encodes a class; what is not known becomes unknown.
func NATMessage(c nat.Class) *signalpb.Nat {
	return &signalpb.Nat{
		Type:       signalpb.NatType(max(slices.Index(natTypes, c.Type), 0)),
		Allocation: signalpb.NatAllocation(max(slices.Index(natAllocations, c.Allocation), 0)),
		Step:       int32(min(max(c.Step, -MaxStep), MaxStep)),
	}
}

// NATClass is the opposite of NATMessage. Numbers that this version does not know are unknown, and a step that is
// none makes an allocation that cannot be predicted.
func NATClass(m *signalpb.Nat) nat.Class {
	c := nat.Class{Type: nat.TypeUnknown, Allocation: nat.AllocationUnknown}
	if i := int(m.GetType()); i > 0 && i < len(natTypes) {
		c.Type = natTypes[i]
	}
	if i := int(m.GetAllocation()); i > 0 && i < len(natAllocations) {
		c.Allocation = natAllocations[i]
	}
	if c.Allocation != nat.Sequential {
		return c
	}
	c.Step = int(m.GetStep())
	if c.Step == 0 || c.Step < -MaxStep || c.Step > MaxStep {
		c.Allocation, c.Step = nat.Random, 0
	}
	return c
}

func punchEvent(m *signalpb.Punch) (Event, error) {
	step := PunchStep(m.GetStep())
	if step < PunchWanted || step > PunchRefused {
		return nil, nil // of a later version
	}
	if len(m.GetAttempt()) != len(nat.AttemptID{}) {
		return nil, fmt.Errorf("%w: punch: an attempt of %d bytes", ErrProtocol, len(m.GetAttempt()))
	}
	p := Punch{Attempt: nat.AttemptID(m.GetAttempt()), Step: step}
	if step == PunchRefused {
		p.Reason = m.GetReason()
		if p.Reason == "" || len(p.Reason) > MaxReason || !utf8.ValidString(p.Reason) {
			p.Reason = "The tracker has refused."
		}
		return p, nil
	}
	var err error
	if p.Peer, err = peerInfo(m.GetPeer()); err != nil {
		return nil, fmt.Errorf("%w: punch: %w", ErrProtocol, err)
	}
	seen, err := netip.ParseAddrPort(m.GetSeen())
	if err != nil || seen.Port() == 0 {
		return nil, fmt.Errorf("%w: punch: no address", ErrProtocol)
	}
	p.Seen = netip.AddrPortFrom(seen.Addr().Unmap(), seen.Port())
	p.Class = NATClass(m.GetNat())
	return p, nil
}
