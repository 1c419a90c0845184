// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"fmt"
	"net/netip"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

// door checks announcements against the tracker's keys.
type door struct {
	edgeKey    []byte
	publishKey []byte
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
		no = checkViewer(&a, role.Viewer)
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
	a.load = signal.Load{Sessions: m.GetLoad().GetSessions(), OutKbps: m.GetLoad().GetOutKbps()}
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

func checkViewer(a *announcement, m *signalpb.Announce_Viewer) *refusal {
	target, err := signal.CanonicalStream(m.GetStream())
	if err != nil {
		return &refusal{code: signalpb.Code_CODE_BAD_NAME, text: err.Error()}
	}
	a.role, a.target, a.edgeOnly = wire.RoleViewer, target, m.GetEdgeOnly()
	return nil
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
		Load:            signal.Load{Sessions: m.GetLoad().GetSessions(), OutKbps: m.GetLoad().GetOutKbps()},
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
		r.Carried = append(r.Carried, signal.Carried{Stream: id, Kbps: c.GetKbps()})
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
