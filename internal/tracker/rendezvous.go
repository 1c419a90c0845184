// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"net/netip"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
)

func (r *registry) joinRendezvous(m *member) {
	r.tags[m.requests.Tag] = m
	r.meet.Join(nat.Party{ID: nat.PeerKey(m.peer), Key: m.requests, Observed: m.observed, Class: m.nat})
}

func (r *registry) leaveRendezvous(m *member) {
	delete(r.tags, m.requests.Tag)
	r.meet.Leave(m.requests.Tag)
}

// setNAT notes how a member is connected.
func (r *registry) setNAT(id connID, class nat.Class) {
	if m := r.members[id]; m != nil {
		m.nat = class
		r.meet.SetClass(m.requests.Tag, class)
	}
}

// mayConnect says why two peers may not be connected with each other, empty: they may.
func (r *registry) mayConnect(asker, other nat.PeerKey) string {
	a, b := r.byPeer[signal.PeerID(asker)], r.byPeer[signal.PeerID(other)]
	switch {
	case a == nil || b == nil:
		return "The other peer is not connected to the tracker."
	case a.role != wire.RoleViewer || b.role != wire.RoleViewer:
		return "Only viewers need help to reach each other."
	case a.queued != nil || b.queued != nil:
		return "One of the two waits to be let in."
	case a.edgeOnly || b.edgeOnly:
		return "One of the two takes the stream from edges only."
	case r.streamOf(a) == nil || r.streamOf(a) != r.streamOf(b):
		return "The other peer does not watch this stream."
	}
	return ""
}

// areNear tells whether two connected peers may reach each other past their NATs.
func (r *registry) areNear(asker, other nat.PeerKey) bool {
	a, b := r.byPeer[signal.PeerID(asker)], r.byPeer[signal.PeerID(other)]
	return a != nil && b != nil && near(a, b)
}

func (r *registry) askedTooOften(peer nat.PeerKey) {
	if r.onGreedy != nil {
		r.onGreedy(signal.PeerID(peer))
	}
}

// connectionRequest takes a datagram from the UDP port. reply, if there is one, goes back to from.
func (r *registry) connectionRequest(now time.Time, b []byte, from netip.AddrPort) (out []output, reply []byte) {
	relays, reply := r.meet.Handle(time.Duration(now.UnixNano()), b, from)
	for _, relay := range relays {
		if to := r.tags[relay.To]; to != nil {
			r.send(to, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Punch{Punch: r.punch(relay, to)}})
		}
	}
	return r.flush(), reply
}

// punch is what a peer is told of the other.
func (r *registry) punch(relay nat.Relay, to *member) *signalpb.Punch {
	msg := &signalpb.Punch{Attempt: relay.Attempt[:], Step: signalpb.PunchStep_PUNCH_STEP_REFUSED, Reason: relay.Reason}
	switch relay.Kind {
	case nat.RelayWanted:
		msg.Step = signalpb.PunchStep_PUNCH_STEP_WANTED
	case nat.RelayGo:
		msg.Step = signalpb.PunchStep_PUNCH_STEP_GO
	}
	other := r.byPeer[signal.PeerID(relay.Peer)]
	if relay.Kind == nat.RelayRefused || other == nil {
		return msg
	}
	msg.Peer = other.infoFor(to)
	msg.Peer.UdpAddrs = signal.FormatAddrs(probable(signal.ParseAddrs(msg.Peer.UdpAddrs), other.observed, relay.Seen.Addr()))
	msg.Seen, msg.Nat = relay.Seen.String(), signal.NATMessage(relay.Class)
	return msg
}

// probable leaves those addresses that may be a peer's own: what it says of itself must not make others send probes
// to somebody else. Local ones mean nothing outside of the peer's network, public ones have to be where its
// connection or its request comes from. Of IPv6, which tells less when the connection is IPv4, a few may pass.
func probable(addrs []netip.AddrPort, proved ...netip.Addr) []netip.AddrPort {
	var list []netip.AddrPort
	odd := 0
	for _, a := range addrs {
		ok := isLocal(a.Addr())
		for _, p := range proved {
			ok = ok || prefixOf(a.Addr()) == prefixOf(p)
		}
		if !ok && a.Addr().Is6() && odd < maxUnproved {
			odd++
			ok = true
		}
		if ok {
			list = append(list, a)
		}
	}
	return list
}
