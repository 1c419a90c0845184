// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
)

type peerSet map[signal.PeerID]bool

// requestPeers answers a peer that asks for more candidates.
func (r *registry) requestPeers(now time.Time, id connID, n int, exclude peerSet) []output {
	m := r.members[id]
	if m == nil {
		return nil
	}
	n = min(n, signal.MaxPeersRequest)
	s := r.streamOf(m)
	switch {
	case s == nil || m.queued != nil:
		r.send(m, peersMessage(signal.StreamID{}, nil))
	case m.role == wire.RoleSource:
		r.offerEdges(s, n, exclude)
	default:
		r.givePeers(now, m, s, n, exclude)
	}
	return r.flush()
}

// carriers are the connected edges that carry a stream, in a fixed order.
func (r *registry) carriers(s *stream) []*member {
	var list []*member
	for id := range s.byEdge {
		if e := r.edges[id]; e != nil {
			list = append(list, e)
		}
	}
	for id := range s.bySource {
		if e := r.edges[id]; e != nil && !s.byEdge[id] {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, byID)
	return list
}

func byID(a, b *member) int { return cmp.Compare(a.id, b.id) }

// allEdges are all connected edges in a fixed order.
func (r *registry) allEdges() []*member {
	list := make([]*member, 0, len(r.edges))
	for _, e := range r.edges {
		list = append(list, e)
	}
	slices.SortFunc(list, byID)
	return list
}

// choose lets the strategy pick n of the edges.
func (r *registry) choose(from, carriers []*member, n int, exclude peerSet) []candidate {
	var c []candidate
	for _, e := range from {
		if !exclude[e.peer] {
			c = append(c, candidate{edge: e, carries: slices.Contains(carriers, e)})
		}
	}
	r.strategy.order(r.rng, c)
	c = c[:min(n, len(c))]
	for _, x := range c {
		x.edge.assigned++
	}
	return c
}

// offerEdges tells a source of edges that it can send its stream to.
func (r *registry) offerEdges(s *stream, n int, exclude peerSet) {
	if s.source == nil {
		return
	}
	var infos []*signalpb.PeerInfo
	for _, c := range r.choose(r.allEdges(), r.carriers(s), n, exclude) {
		infos = append(infos, c.edge.infoFor(s.source))
	}
	r.send(s.source, peersMessage(s.id, infos))
}

// rescue finds a stream a new edge when it has lost its last one.
func (r *registry) rescue(s *stream) {
	if len(r.carriers(s)) == 0 {
		r.offerEdges(s, edgesPerSource, nil)
	}
}

// edgesFor chooses the edges for a viewer. While nobody carries the stream there
// is nothing to choose: the source is being told of edges.
func (r *registry) edgesFor(now time.Time, s *stream, n int, exclude peerSet) []*member {
	carriers := r.carriers(s)
	if len(carriers) == 0 {
		return nil
	}
	from := carriers
	if r.strategy.spreads() {
		from = r.allEdges()
	}
	chosen := r.choose(from, carriers, n, exclude)
	if len(chosen) == 0 {
		// The viewer could not reach any that carries it: another edge may
		// be nearer to it.
		chosen = r.choose(r.allEdges(), carriers, min(n, 1), exclude)
	}
	list := make([]*member, len(chosen))
	for i, c := range chosen {
		list[i] = c.edge
		if !c.carries {
			r.carry(now, c.edge, s, carriers)
		}
	}
	return list
}

// carry asks an edge to pull a stream from those that have it.
func (r *registry) carry(now time.Time, e *member, s *stream, carriers []*member) {
	if asked, ok := e.asked[s.id]; ok && now.Sub(asked) < carryAgain {
		return
	}
	if len(e.asked) >= signal.MaxCarried {
		clear(e.asked)
	}
	e.asked[s.id] = now
	msg := &signalpb.Carry{StreamId: s.id[:], Name: s.name}
	for _, c := range carriers[:min(len(carriers), carriersPerCarry)] {
		msg.Peers = append(msg.Peers, c.infoFor(e))
	}
	r.send(e, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Carry{Carry: msg}})
}

// givePeers sends a viewer edges and other viewers, and tells those viewers of it.
func (r *registry) givePeers(now time.Time, m *member, s *stream, n int, exclude peerSet) {
	var infos []*signalpb.PeerInfo
	for _, e := range r.edgesFor(now, s, min(n, edgesPerViewer), exclude) {
		infos = append(infos, e.infoFor(m))
	}
	if !m.edgeOnly {
		for _, v := range r.sampleViewers(m, s, n-len(infos), exclude) {
			infos = append(infos, v.infoFor(m))
			r.send(v, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Introduce{
				Introduce: &signalpb.Introduce{StreamId: s.id[:], Peer: m.infoFor(v)},
			}})
		}
	}
	r.send(m, peersMessage(s.id, infos))
}

// giveAllPeers serves the viewers that waited for a stream's first edge.
func (r *registry) giveAllPeers(now time.Time, s *stream) {
	for v := range r.watching(s) {
		r.givePeers(now, v, s, firstPeers, nil)
	}
}

// audiences of a stream: those who asked by name and those who asked by id.
func (r *registry) audiences(s *stream) []*audience {
	var list []*audience
	for _, target := range [...]string{s.name, s.id.String()} {
		if a := r.viewers[target]; a != nil {
			list = append(list, a)
		}
	}
	return list
}

// watching yields the viewers of a stream.
func (r *registry) watching(s *stream) iter.Seq[*member] {
	return func(yield func(*member) bool) {
		for _, a := range r.audiences(s) {
			for _, v := range a.list {
				if !yield(v) {
					return
				}
			}
		}
	}
}

func (r *registry) viewerCount(s *stream) int {
	n := 0
	for _, a := range r.audiences(s) {
		n += len(a.list)
	}
	return n
}

// sampleViewers draws up to n other viewers of a stream, a part of them near by.
// It tries a bounded number of times rather than looking at everybody.
func (r *registry) sampleViewers(m *member, s *stream, n int, exclude peerSet) []*member {
	audiences := r.audiences(s)
	total := r.viewerCount(s)
	taken := make(map[connID]bool, n)
	var list []*member
	accept := func(v *member) bool {
		if v == m || v.edgeOnly || taken[v.id] || exclude[v.peer] || !possible(m, v) {
			return false
		}
		taken[v.id] = true
		list = append(list, v)
		return true
	}
	r.drawNear(m, audiences, n, accept)
	at := func(i int) *member {
		for _, a := range audiences {
			if i < len(a.list) {
				return a.list[i]
			}
			i -= len(a.list)
		}
		return nil
	}
	if total <= 4*n { // few: look at all of them, from a random one on
		start := r.rng.IntN(max(total, 1))
		for i := range total {
			if len(list) >= n {
				break
			}
			accept(at((start + i) % total))
		}
		return list
	}
	for range 4 * n {
		if len(list) >= n {
			break
		}
		accept(at(r.rng.IntN(total)))
	}
	return list
}

// possible tells whether two viewers can reach each other: by their NATs, past them, or because a router forwards a
// port to one.
func possible(a, b *member) bool {
	return a.mapped.IsValid() || b.mapped.IsValid() || nat.Possible(a.nat, b.nat) || near(a, b)
}

// near tells whether two peers may reach each other past their NATs: inside of the network that both are seen from, or
// by IPv6.
func near(a, b *member) bool {
	blocked := a.nat.Type == nat.TypeBlocked || b.nat.Type == nat.TypeBlocked
	return !blocked && (sameNetwork(a.observed, b.observed) || a.hasIPv6() && b.hasIPv6())
}

// hasIPv6 tells whether a peer says that it can be reached by IPv6.
func (m *member) hasIPv6() bool {
	return slices.ContainsFunc(m.addrs, func(a netip.AddrPort) bool { return a.Addr().Is6() && !isLocal(a.Addr()) })
}
