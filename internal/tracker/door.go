// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

// door checks announcements against the tracker's keys.
type door struct {
	edgeKey    []byte
	publishKey []byte
	tickets    ed25519.PublicKey // the tracker's own
	began      time.Time
}

// check verifies every proof of an Announce.
func (d door) check(m *signalpb.Announce, c signal.Challenge, challenge rudp.Identity, observed netip.Addr) (announcement, *refusal) {
	if m.GetProtocolVersion() != signal.ProtocolVersion {
		return announcement{}, refuseVersion
	}
	peer, err := signal.PeerIDFromBytes(m.GetPeerId())
	if err != nil {
		return announcement{}, refuseIdentity
	}
	c.Peer = peer
	a := announcement{
		peer:     peer,
		observed: observed,
		addrs:    cleanAddrs(signal.ParseAddrs(m.GetUdpAddrs()), observed),
	}
	a.mapped = signal.ParseMapped(m.GetMappedAddr(), a.addrs)
	var no *refusal
	switch role := m.GetRole().(type) {
	case *signalpb.Announce_Edge_:
		no = d.checkEdge(&a, role.Edge, c)
	case *signalpb.Announce_Source_:
		no = d.checkSource(&a, role.Source, c)
	case *signalpb.Announce_Viewer_:
		no = d.checkViewer(&a, role.Viewer)
	default:
		no = refuseMessage("an announce without a role")
	}
	if no != nil {
		return announcement{}, no
	}
	if c.CheckIdentity(challenge, m.GetIdentityProof()) != nil {
		return announcement{}, refuseIdentity
	}
	if a.requests, err = c.RequestKey(challenge, rudp.PeerID(peer)); err != nil {
		return announcement{}, refuseIdentity
	}
	return a, nil
}

func (d door) checkEdge(a *announcement, m *signalpb.Announce_Edge, c signal.Challenge) *refusal {
	if len(d.edgeKey) > 0 && !c.CheckEdgeKey(d.edgeKey, m.GetKeyProof()) {
		return refuseEdgeKey
	}
	if u := m.GetHttpUrl(); u != "" {
		if err := signal.CheckHTTPURL(u); err != nil {
			return refuseMessage("the edge's HTTP address: " + err.Error())
		}
		a.httpURL = u
	}
	a.role = wire.RoleEdge
	a.load = loadOf(m.GetLoad())
	return nil
}

func (d door) checkSource(a *announcement, m *signalpb.Announce_Source, c signal.Challenge) *refusal {
	if len(d.publishKey) > 0 && !c.CheckPublishKey(d.publishKey, m.GetKeyProof()) {
		return refusePublishKey
	}
	if err := signal.CheckName(m.GetName()); err != nil {
		return &refusal{code: signalpb.Code_CODE_BAD_NAME, text: err.Error()}
	}
	stream, err := signal.StreamIDFromBytes(m.GetStreamKey())
	if err != nil || stream == (signal.StreamID{}) || !c.CheckStream(stream, m.GetName(), m.GetSignature()) {
		return refuseSignature
	}
	a.role, a.stream, a.name = wire.RoleSource, stream, m.GetName()
	return nil
}

func loadOf(m *signalpb.Load) signal.Load {
	return signal.Load{Sessions: m.GetSessions(), OutKbps: m.GetOutKbps(), BudgetKbps: m.GetBudgetKbps()}
}

func (d door) checkViewer(a *announcement, m *signalpb.Announce_Viewer) *refusal {
	target, err := signal.CanonicalStream(m.GetStream())
	if err != nil {
		return &refusal{code: signalpb.Code_CODE_BAD_NAME, text: err.Error()}
	}
	a.role, a.target, a.edgeOnly = wire.RoleViewer, target, m.GetEdgeOnly()
	a.let = d.wasLetIn(a.peer, m.GetTicket(), time.Now())
	return nil
}

// wasLetIn returns the stream that a viewer's ticket proves it to have been let into, zero if none. A tracker that has
// just started knows nobody's ticket, and believes it: who plays is not to wait.
func (d door) wasLetIn(peer signal.PeerID, ticket []byte, now time.Time) signal.StreamID {
	if len(ticket) == 0 {
		return signal.StreamID{}
	}
	t, err := signal.VerifyTicket(d.tickets, ticket, peer, now)
	if errors.Is(err, signal.ErrTicketSignature) && now.Sub(d.began) < believeTickets {
		t, err = signal.ParseTicket(ticket)
	}
	if err != nil || t.Role != wire.RoleViewer {
		return signal.StreamID{}
	}
	return t.Stream
}

// decodeReport checks a report's lengths and ids.
func decodeReport(m *signalpb.Report) (signal.Report, error) {
	if len(m.GetCarried()) > signal.MaxCarried || len(m.GetEdges()) > signal.MaxPeersRequest {
		return signal.Report{}, fmt.Errorf("a report with %d streams and %d edges", len(m.GetCarried()), len(m.GetEdges()))
	}
	r := signal.Report{
		BytesFromPeers:  m.GetBytesFromPeers(),
		BytesFromEdges:  m.GetBytesFromEdges(),
		BytesUploaded:   m.GetBytesUploaded(),
		LatencyMS:       m.GetLatencyMs(),
		FragmentsMissed: m.GetFragmentsMissed(),
		Load:            loadOf(m.GetLoad()),
		UplinkKbps:      m.GetUplinkKbps(),
		Settled:         m.GetSettled(),
		AtEdge:          m.GetAtEdge(),
	}
	var err error
	if r.Connections, err = signal.Connections(m.GetConnections()); err != nil {
		return signal.Report{}, fmt.Errorf("a report: %w", err)
	}
	for _, c := range m.GetCarried() {
		id, err := signal.StreamIDFromBytes(c.GetStreamId())
		if err != nil {
			return signal.Report{}, fmt.Errorf("a report: %w", err)
		}
		r.Carried = append(r.Carried, signal.Carried{Stream: id, Kbps: c.GetKbps(), OutKbps: c.GetOutKbps()})
	}
	for _, b := range m.GetEdges() {
		id, err := signal.PeerIDFromBytes(b)
		if err != nil {
			return signal.Report{}, fmt.Errorf("a report: %w", err)
		}
		r.Edges = append(r.Edges, id)
	}
	return r, nil
}

// decodeExclude checks the exclusions of a request.
func decodeExclude(in [][]byte) (peerSet, error) {
	if len(in) > signal.MaxExclude {
		return nil, fmt.Errorf("%d exclusions", len(in))
	}
	set := make(peerSet, len(in))
	for _, b := range in {
		id, err := signal.PeerIDFromBytes(b)
		if err != nil {
			return nil, fmt.Errorf("an exclusion: %w", err)
		}
		set[id] = true
	}
	return set, nil
}
