// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import "net/netip"

// Types of the swarm's messages.
const (
	TypeSubscribe Type = 16 + iota
)

// PeerInfo is how to reach a peer.
type PeerInfo struct {
	ID    PeerID
	Role  Role
	Addrs []netip.AddrPort // best first, at most MaxAddrs
}

// MaxAddrs bounds the addresses of one peer.
const MaxAddrs = 8

func parseSwarm(t Type, r *reader) (Message, error) { return nil, ErrMalformed }
