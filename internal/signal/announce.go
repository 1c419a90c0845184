// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"

	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
)

// Hello is what a client knows of the tracker before it announces itself.
type Hello struct {
	TrackerKey ed25519.PublicKey
	TrackerUDP string // STUN server "host:port"; empty: none
	ObservedIP netip.Addr

	requests nat.RequestKey // set once the challenge is known
}

// Announce is what a peer says of itself. Exactly one of Edge, Source and
// Viewer is set.
type Announce struct {
	// UDPAddrs are where other peers may reach this one; at most MaxAddrs.
	// An unspecified address (0.0.0.0:7100) stands for the one that the
	// tracker observes.
	UDPAddrs []netip.AddrPort
	// Mapped is the one of UDPAddrs that a router forwards on request; invalid: none.
	Mapped netip.AddrPort

	Edge   *EdgeAnnounce
	Source *SourceAnnounce
	Viewer *ViewerAnnounce
}

// EdgeAnnounce registers an edge server.
type EdgeAnnounce struct {
	Key     []byte // edge key; nil: none. Never sent, only proved
	HTTPURL string // where browsers reach it, "http://host:7180"; may be empty
	Load    Load
}

// SourceAnnounce brings a stream.
type SourceAnnounce struct {
	PublishKey []byte // nil: none. Never sent, only proved
	Name       string
	Stream     ed25519.PrivateKey // its public half is the stream id
}

// ViewerAnnounce asks for a stream.
type ViewerAnnounce struct {
	Stream   string // name or stream id
	EdgeOnly bool   // no other viewer may learn of this one
	Ticket   []byte // of one that has been let in before, and does not wait again; may be nil
}

// Load is how busy an edge is.
type Load struct {
	Sessions uint32 // of viewers and other edges
	OutKbps  uint32 // sent, kbit/s
	// BudgetKbps is what it may send, kbit/s; 0: no limit.
	BudgetKbps uint32
}

// Report tells the tracker how this peer does; send one every few seconds, and
// an edge or source at once when Carried or Edges change. Byte counts are totals
// since the peer's start.
type Report struct {
	BytesFromPeers  uint64
	BytesFromEdges  uint64
	BytesUploaded   uint64
	LatencyMS       uint32 // source's clock to ready for the player, p95
	FragmentsMissed uint64
	Connections     []Connection // viewer: at most MaxConnections
	UplinkKbps      uint32       // viewer: what it can give to others, kbit/s
	Settled         bool         // viewer: it has found its places in the trees
	AtEdge          bool         // viewer: one of these places is at an edge

	Load    Load      // edge
	Carried []Carried // edge: every stream that it carries; source: its own
	Edges   []PeerID  // source: edges that have a session with it
}

// Carried is a stream that an edge can give to viewers.
type Carried struct {
	Stream StreamID
	Kbps   uint32 // media rate, kbit/s; 0: not known
	// OutKbps is what an edge sends of it to those that have places there, and
	// for rescue, kbit/s.
	OutKbps uint32
}

// message proves and encodes the announcement for one connection.
func (a Announce) message(identity rudp.Identity, c Challenge, challengeKey rudp.PeerID) (*signalpb.ClientMessage, error) {
	proof, err := c.ProveIdentity(identity, challengeKey)
	if err != nil {
		return nil, fmt.Errorf("%w: bad challenge: %w", ErrProtocol, err)
	}
	m := &signalpb.Announce{
		ProtocolVersion: ProtocolVersion,
		PeerId:          c.Peer[:],
		IdentityProof:   proof,
		UdpAddrs:        FormatAddrs(a.UDPAddrs),
		MappedAddr:      FormatMapped(a.Mapped),
	}
	switch {
	case a.Edge != nil && a.Source == nil && a.Viewer == nil:
		e := &signalpb.Announce_Edge{HttpUrl: a.Edge.HTTPURL, Load: a.Edge.Load.message()}
		if len(a.Edge.Key) > 0 {
			e.KeyProof = c.ProveEdgeKey(a.Edge.Key)
		}
		m.Role = &signalpb.Announce_Edge_{Edge: e}
	case a.Source != nil && a.Edge == nil && a.Viewer == nil:
		if len(a.Source.Stream) != ed25519.PrivateKeySize {
			return nil, errors.New("announce: no stream key")
		}
		s := &signalpb.Announce_Source{
			Name:      a.Source.Name,
			StreamKey: a.Source.Stream.Public().(ed25519.PublicKey),
			Signature: c.SignStream(a.Source.Stream, a.Source.Name),
		}
		if len(a.Source.PublishKey) > 0 {
			s.KeyProof = c.ProvePublishKey(a.Source.PublishKey)
		}
		m.Role = &signalpb.Announce_Source_{Source: s}
	case a.Viewer != nil && a.Edge == nil && a.Source == nil:
		m.Role = &signalpb.Announce_Viewer_{Viewer: &signalpb.Announce_Viewer{
			Stream: a.Viewer.Stream, EdgeOnly: a.Viewer.EdgeOnly, Ticket: a.Viewer.Ticket,
		}}
	default:
		return nil, errors.New("announce: exactly one role must be set")
	}
	return &signalpb.ClientMessage{Body: &signalpb.ClientMessage_Announce{Announce: m}}, nil
}
