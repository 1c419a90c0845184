// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"p2plive/internal/signal/signalpb"
)

// decodeServer parses one message of the tracker and checks that it has a body.
func decodeServer(b []byte) (*signalpb.ServerMessage, error) {
	m := new(signalpb.ServerMessage)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if m.Body == nil {
		return nil, fmt.Errorf("%w: empty message", ErrProtocol)
	}
	return m, nil
}

// checkHello turns the tracker's first message into what the role sees of it
// and the parts that the proofs need.
func checkHello(m *signalpb.Hello, host string) (Hello, error) {
	if m.GetProtocolVersion() != ProtocolVersion {
		return Hello{}, &RejectedError{
			Code: signalpb.Code_CODE_BAD_VERSION,
			Text: fmt.Sprintf("the tracker speaks protocol version %d, this program %d", m.GetProtocolVersion(), ProtocolVersion),
			Hint: "update the older of the two",
		}
	}
	if len(m.GetNonce()) != NonceSize || len(m.GetTrackerKey()) != ed25519.PublicKeySize ||
		len(m.GetChallengeKey()) != idSize {
		return Hello{}, fmt.Errorf("%w: bad hello", ErrProtocol)
	}
	h := Hello{TrackerKey: ed25519.PublicKey(m.GetTrackerKey())}
	if p := m.GetUdpPort(); p > 0 && p < 1<<16 {
		h.TrackerUDP = net.JoinHostPort(host, strconv.Itoa(int(p)))
	}
	h.ObservedIP, _ = netip.ParseAddr(m.GetObservedIp()) // only a hint: zero will do
	return h, nil
}

func welcomeEvent(m *signalpb.Welcome, h Hello) Welcome {
	w := Welcome{
		TrackerKey: h.TrackerKey,
		TrackerUDP: h.TrackerUDP,
		ObservedIP: h.ObservedIP,
		Name:       m.GetName(),
		State:      stateOf(m.GetState()),
		Ticket:     m.GetTicket(),
		Place:      int(m.GetPlace()),
		Requests:   h.requests,
	}
	w.Stream, _ = StreamIDFromBytes(m.GetStreamId()) // absent: zero
	return w
}

func stateOf(s signalpb.State) State {
	if s < signalpb.State_STATE_UNKNOWN || s > signalpb.State_STATE_QUEUED {
		return StateUnknown
	}
	return State(s)
}

// eventOf translates a message after the handshake. A nil event without an
// error means a message that this version does not know: it is skipped, so that
// a newer tracker can say more.
func eventOf(m *signalpb.ServerMessage) (Event, error) {
	switch b := m.Body.(type) {
	case *signalpb.ServerMessage_Peers:
		stream, _ := StreamIDFromBytes(b.Peers.GetStreamId())
		return Peers{Stream: stream, Peers: peerInfos(b.Peers.GetPeers())}, nil
	case *signalpb.ServerMessage_StreamState:
		s := b.StreamState
		stream, _ := StreamIDFromBytes(s.GetStreamId())
		return StreamState{
			State: stateOf(s.GetState()), Stream: stream, Name: s.GetName(), Ticket: s.GetTicket(), Place: int(s.GetPlace()),
		}, nil
	case *signalpb.ServerMessage_Ticket:
		return TicketRenewed{Ticket: b.Ticket.GetTicket()}, nil
	case *signalpb.ServerMessage_Introduce:
		stream, err := StreamIDFromBytes(b.Introduce.GetStreamId())
		if err != nil {
			return nil, fmt.Errorf("%w: introduce: %w", ErrProtocol, err)
		}
		p, err := peerInfo(b.Introduce.GetPeer())
		if err != nil {
			return nil, fmt.Errorf("%w: introduce: %w", ErrProtocol, err)
		}
		return Introduce{Stream: stream, Peer: p}, nil
	case *signalpb.ServerMessage_Carry:
		stream, err := StreamIDFromBytes(b.Carry.GetStreamId())
		if err != nil {
			return nil, fmt.Errorf("%w: carry: %w", ErrProtocol, err)
		}
		return Carry{Stream: stream, Name: b.Carry.GetName(), Peers: peerInfos(b.Carry.GetPeers())}, nil
	case *signalpb.ServerMessage_Punch:
		return punchEvent(b.Punch)
	}
	return nil, nil
}

// peerInfos skips entries that make no sense: one bad peer must not hide the
// others.
func peerInfos(in []*signalpb.PeerInfo) []PeerInfo {
	out := make([]PeerInfo, 0, min(len(in), 2*MaxPeersRequest))
	for _, m := range in {
		if len(out) == cap(out) {
			break
		}
		if p, err := peerInfo(m); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func peerInfo(m *signalpb.PeerInfo) (PeerInfo, error) {
	id, err := PeerIDFromBytes(m.GetPeerId())
	if err != nil {
		return PeerInfo{}, err
	}
	p := PeerInfo{ID: id, Addrs: ParseAddrs(m.GetUdpAddrs()), Role: RoleOf(m.GetRole())}
	p.Mapped = ParseMapped(m.GetMappedAddr(), p.Addrs)
	if !p.Role.Valid() {
		return PeerInfo{}, fmt.Errorf("unknown role %d", m.GetRole())
	}
	if CheckHTTPURL(m.GetHttpUrl()) == nil {
		p.HTTPURL = m.GetHttpUrl()
	}
	return p, nil
}

// RoleOf converts; the result may be invalid.
func RoleOf(r signalpb.Role) Role {
	if r < 0 || r > signalpb.Role_ROLE_VIEWER {
		return 0
	}
	return Role(r)
}

// ParseAddrs reads UDP addresses of the form "ip:port". Those that are not, or
// have port 0, and all beyond MaxAddrs are left out.
func ParseAddrs(in []string) []netip.AddrPort {
	out := make([]netip.AddrPort, 0, min(len(in), MaxAddrs))
	for _, s := range in {
		if len(out) == cap(out) {
			break
		}
		a, err := netip.ParseAddrPort(s)
		if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
			continue
		}
		out = append(out, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	return out
}

// FormatAddrs is the opposite of ParseAddrs.
func FormatAddrs(in []netip.AddrPort) []string {
	in = in[:min(len(in), MaxAddrs)]
	out := make([]string, len(in))
	for i, a := range in {
		out[i] = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
	}
	return out
}

// ParseMapped reads the one of addrs that is mapped; invalid: none of them.
func ParseMapped(s string, addrs []netip.AddrPort) netip.AddrPort {
	if list := ParseAddrs([]string{s}); len(list) == 1 && slices.Contains(addrs, list[0]) {
		return list[0]
	}
	return netip.AddrPort{}
}

// FormatMapped is the opposite of ParseMapped.
func FormatMapped(addr netip.AddrPort) string {
	if !addr.IsValid() {
		return ""
	}
	return FormatAddrs([]netip.AddrPort{addr})[0]
}

// CheckHTTPURL says what is wrong with an edge's HTTP address: it will stand in
// web pages.
func CheckHTTPURL(s string) error {
	if len(s) > MaxURL {
		return fmt.Errorf("more than %d characters", MaxURL)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("not an address like http://edge.example:7180")
	}
	return nil
}

func (r Report) message() *signalpb.ClientMessage {
	m := &signalpb.Report{
		BytesFromPeers:  r.BytesFromPeers,
		BytesFromEdges:  r.BytesFromEdges,
		BytesUploaded:   r.BytesUploaded,
		LatencyMs:       r.LatencyMS,
		FragmentsMissed: r.FragmentsMissed,
		Load:            r.Load.message(),
		Connections:     connectionMessages(r.Connections),
		UplinkKbps:      r.UplinkKbps,
		Settled:         r.Settled,
		AtEdge:          r.AtEdge,
	}
	for _, c := range r.Carried[:min(len(r.Carried), MaxCarried)] {
		m.Carried = append(m.Carried, &signalpb.Carried{StreamId: c.Stream[:], Kbps: c.Kbps, OutKbps: c.OutKbps})
	}
	for _, e := range r.Edges[:min(len(r.Edges), MaxPeersRequest)] {
		m.Edges = append(m.Edges, e[:])
	}
	return &signalpb.ClientMessage{Body: &signalpb.ClientMessage_Report{Report: m}}
}

func (l Load) message() *signalpb.Load {
	return &signalpb.Load{Sessions: l.Sessions, OutKbps: l.OutKbps, BudgetKbps: l.BudgetKbps}
}
