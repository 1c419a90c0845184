// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import (
	"encoding/binary"
	"net/netip"
)

const (
	// MaxAddrs bounds the addresses of one peer: a LAN address, a public one
	// and a mapped one, of both families, and two to spare.
	MaxAddrs = 8
	// MaxPeers bounds the peers of one Peers message.
	MaxPeers = 16
	// MaxOthers bounds the peers named in an Accept or Refuse.
	MaxOthers = 8
)

// PeerInfo is how to reach a peer. Without addresses the peer is named only:
// whoever wants to reach it asks the tracker.
type PeerInfo struct {
	ID    PeerID
	Role  Role
	Addrs []netip.AddrPort // best first, at most MaxAddrs
}

// Peers tells a neighbour of other peers of the stream.
type Peers struct {
	Peers []PeerInfo // at most MaxPeers
}

// Type implements Message.
func (*Peers) Type() Type { return TypePeers }

func (m *Peers) append(b []byte) []byte { return appendPeerInfos(b, m.Peers, MaxPeers) }

func parsePeers(r *reader) (Message, error) {
	m := &Peers{Peers: r.peerInfos(MaxPeers)}
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

// appendPeerInfos appends at most limit peers, after their number.
func appendPeerInfos(b []byte, peers []PeerInfo, limit int) []byte {
	peers = peers[:min(len(peers), limit)]
	b = append(b, byte(len(peers)))
	for i := range peers {
		b = appendPeerInfo(b, &peers[i])
	}
	return b
}

// appendPeerInfo leaves out addresses that the format cannot carry.
func appendPeerInfo(b []byte, p *PeerInfo) []byte {
	b = append(b, p.ID[:]...)
	b = append(b, byte(p.Role), 0)
	count := len(b) - 1
	for _, a := range p.Addrs {
		ip := a.Addr().Unmap()
		if !usable(ip, a.Port()) || b[count] == MaxAddrs {
			continue
		}
		raw := ip.AsSlice()
		b = append(b, byte(len(raw)))
		b = append(b, raw...)
		b = binary.BigEndian.AppendUint16(b, a.Port())
		b[count]++
	}
	return b
}

func (r *reader) peerInfos(limit int) []PeerInfo {
	n := int(r.u8())
	if n > limit {
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	peers := make([]PeerInfo, 0, n)
	for range n {
		peers = append(peers, r.peerInfo())
		if r.bad {
			return nil
		}
	}
	return peers
}

func (r *reader) peerInfo() PeerInfo {
	p := PeerInfo{ID: r.id(), Role: Role(r.u8())}
	n := int(r.u8())
	if !p.Role.Valid() || n > MaxAddrs {
		r.bad = true
	}
	for range n {
		size := int(r.u8())
		ip, ok := netip.AddrFromSlice(r.take(size))
		port := r.u16()
		if r.bad || !ok || ip.Is4In6() || !usable(ip, port) {
			r.bad = true
			return p
		}
		p.Addrs = append(p.Addrs, netip.AddrPortFrom(ip, port))
	}
	return p
}

// usable reports whether something can be sent to the address.
func usable(ip netip.Addr, port uint16) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && port != 0
}
