// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/swarm/admission"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
)

// registry is the tracker's state: a machine without sockets, goroutines and
// clock. Events and the time go in, messages to connections come out. Not safe
// for concurrent use.
type registry struct {
	strategy strategy
	rng      *rand.Rand
	ticket   func(signal.Ticket) []byte // issues

	members map[connID]*member
	byPeer  map[signal.PeerID]*member
	edges   map[signal.PeerID]*member
	streams map[signal.StreamID]*stream
	names   map[string]*stream
	viewers map[string]*audience // by target
	tags    map[[8]byte]*member  // by that of their connection requests
	ended   recent
	totals  totals
	past    admission.Stats // of streams that have ended
	meet    *nat.Rendezvous

	onGreedy func(signal.PeerID) // once for each connection; nil: nobody is told

	out []output
}

// output is a message for a connection; after the last one it is closed.
type output struct {
	to   connID
	msg  *signalpb.ServerMessage
	last bool
}

func newRegistry(s strategy, rng *rand.Rand, ticket func(signal.Ticket) []byte) *registry {
	r := &registry{
		strategy: s,
		rng:      rng,
		ticket:   ticket,
		members:  make(map[connID]*member),
		byPeer:   make(map[signal.PeerID]*member),
		edges:    make(map[signal.PeerID]*member),
		streams:  make(map[signal.StreamID]*stream),
		names:    make(map[string]*stream),
		viewers:  make(map[string]*audience),
		tags:     make(map[[8]byte]*member),
	}
	r.meet = nat.NewRendezvous(nat.RendezvousConfig{Allow: r.mayConnect, Near: r.areNear, OnLimit: r.askedTooOften})
	return r
}

// flush hands over what the event that was just handled has caused.
func (r *registry) flush() []output {
	out := r.out
	r.out = nil
	return out
}

func (r *registry) send(to *member, msg *signalpb.ServerMessage) {
	r.out = append(r.out, output{to: to.id, msg: msg})
}

// join takes in a verified peer. The first message to it is Welcome.
func (r *registry) join(now time.Time, id connID, a announcement) ([]output, *refusal) {
	old := r.byPeer[a.peer]
	if no := r.admit(a, old); no != nil {
		return nil, no
	}
	m := &member{announcement: a, id: id}
	if old != nil {
		// An edge that comes back after a loss still carries what it did:
		// it must not look like one that lost its streams.
		if old.role == wire.RoleEdge && m.role == wire.RoleEdge {
			m.carries, m.owes = old.carries, old.owes
		}
		r.dismiss(now, old, m)
	}
	r.members[id] = m
	r.byPeer[m.peer] = m
	r.joinRendezvous(m)
	switch m.role {
	case wire.RoleEdge:
		r.joinEdge(now, m)
	case wire.RoleSource:
		r.joinSource(now, m)
	default:
		r.joinViewer(now, m)
	}
	return r.flush(), nil
}

// admit says no to what the tables cannot or must not take.
func (r *registry) admit(a announcement, old *member) *refusal {
	switch a.role {
	case wire.RoleEdge:
		if len(r.edges) >= maxEdges && (old == nil || old.role != wire.RoleEdge) {
			return refuseFull
		}
	case wire.RoleSource:
		if s := r.names[a.name]; s != nil && s.id != a.stream {
			return refuseName(a.name)
		}
		if r.streams[a.stream] == nil && len(r.streams) >= maxStreams {
			return refuseFull
		}
	case wire.RoleViewer:
		if s := r.find(a.target); s != nil && a.let != s.id &&
			s.control.Refuses(a.peer, prefixOf(a.observed)) {
			return refuseCrowd
		}
	}
	return nil
}

// dismiss sends away a connection whose peer has made a new one.
func (r *registry) dismiss(now time.Time, old, successor *member) {
	r.out = append(r.out, output{to: old.id, msg: refuseReplaced.message(), last: true})
	if old.role == wire.RoleEdge && successor.role == wire.RoleEdge {
		r.forget(old)
		return
	}
	r.remove(now, old, false)
}

func (r *registry) joinEdge(now time.Time, m *member) {
	r.edges[m.peer] = m
	m.asked = make(map[signal.StreamID]time.Time)
	r.send(m, welcome(m, &signalpb.Welcome{Ticket: r.renew(now, m, signal.StreamID{})}))
	for _, s := range r.sortedStreams() {
		if len(r.carriers(s)) > 0 {
			continue
		}
		r.supply(s)
		if s.source != nil {
			r.send(s.source, peersMessage(s.id, []*signalpb.PeerInfo{m.infoFor(s.source)}))
		}
	}
}

func (r *registry) joinSource(now time.Time, m *member) {
	s := r.streams[m.stream]
	if s != nil && s.source != nil {
		r.dismiss(now, s.source, m)
	}
	if s != nil && s.name != m.name {
		r.end(s) // the same key under a new name is a new stream to its viewers
		s = nil
	}
	fresh := s == nil
	if fresh {
		s = newStream(now, m.stream, m.name)
		for id, e := range r.edges {
			if _, ok := e.carries[s.id]; ok {
				s.byEdge[id] = true
			}
		}
		r.streams[s.id], r.names[s.name] = s, s
	}
	s.source = m
	r.send(m, welcome(m, &signalpb.Welcome{
		StreamId: s.id[:], Name: s.name, State: signalpb.State_STATE_LIVE, Ticket: r.renew(now, m, s.id),
	}))
	r.offerEdges(s, edgesPerSource, nil)
	if fresh {
		r.begin(now, s)
	}
}

func (r *registry) joinViewer(now time.Time, m *member) {
	s := r.find(m.target)
	if s != nil && r.knock(now, m, s) == admission.Queued {
		r.send(m, welcome(m, &signalpb.Welcome{
			StreamId: s.id[:], Name: s.name, State: signalpb.State_STATE_QUEUED, Place: uint32(m.place),
		}))
		return
	}
	r.seat(m)
	if s == nil {
		state := signalpb.State_STATE_UNKNOWN
		if r.ended.has(m.target) {
			state = signalpb.State_STATE_ENDED
		}
		r.send(m, welcome(m, &signalpb.Welcome{State: state}))
		return
	}
	r.send(m, welcome(m, &signalpb.Welcome{
		StreamId: s.id[:], Name: s.name, State: signalpb.State_STATE_LIVE, Ticket: r.renew(now, m, s.id),
	}))
	if len(r.carriers(s)) > 0 {
		r.givePeers(now, m, s, firstPeers, nil)
	} // else it gets them together with the first edge
}

// leave forgets a connection. A peer that said Bye has left on purpose: its
// stream ends at once, and its name is free.
func (r *registry) leave(now time.Time, id connID, bye bool) []output {
	if m := r.members[id]; m != nil {
		r.remove(now, m, bye)
	}
	return r.flush()
}

// forget takes a member out of the tables that list members.
func (r *registry) forget(m *member) {
	delete(r.members, m.id)
	r.leaveRendezvous(m)
	if r.byPeer[m.peer] == m {
		delete(r.byPeer, m.peer)
	}
	if r.edges[m.peer] == m {
		delete(r.edges, m.peer)
	}
}

func (r *registry) remove(now time.Time, m *member, bye bool) {
	r.forget(m)
	switch m.role {
	case wire.RoleEdge:
		for _, s := range r.sortedStreams() {
			if s.byEdge[m.peer] || s.bySource[m.peer] {
				delete(s.byEdge, m.peer)
				delete(s.bySource, m.peer)
				r.supply(s)
				r.rescue(s)
			}
		}
	case wire.RoleSource:
		s := r.streams[m.stream]
		if s == nil || s.source != m {
			return
		}
		s.source, s.goneAt = nil, now
		if bye {
			r.end(s)
		}
	default:
		r.removeViewer(now, m, bye)
	}
}

// begin tells the viewers who wait that a stream is live.
func (r *registry) begin(now time.Time, s *stream) {
	r.supply(s)
	var queued, refused []*member
	for v := range r.watching(s) {
		switch r.knock(now, v, s) {
		case admission.Admitted:
			r.send(v, r.live(now, v, s))
		case admission.Queued:
			v.place, v.toldAt = 0, time.Time{} // it hears of it with the next tick, if it still waits
			queued = append(queued, v)
		case admission.Refused:
			refused = append(refused, v)
		}
	}
	for _, v := range queued {
		r.unseat(v)
	}
	for _, v := range refused {
		r.remove(now, v, true) // else it would be named to others until its connection is closed
	}
	if len(r.carriers(s)) > 0 {
		r.giveAllPeers(now, s)
	}
}

func (r *registry) end(s *stream) {
	delete(r.streams, s.id)
	delete(r.names, s.name)
	r.ended.add(s.name, s.id.String())
	r.dissolve(s)
	for v := range r.watching(s) {
		v.renewAt = time.Time{}
		r.send(v, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_StreamState{StreamState: &signalpb.StreamState{
			State: signalpb.State_STATE_ENDED, StreamId: s.id[:], Name: s.name,
		}}})
	}
}

// setAddrs replaces the addresses of a member.
func (r *registry) setAddrs(id connID, addrs []netip.AddrPort, mapped netip.AddrPort) {
	if m := r.members[id]; m != nil {
		m.addrs, m.mapped = addrs, mapped
	}
}

// tick ends streams whose source has not come back, and renews tickets.
func (r *registry) tick(now time.Time) []output {
	for _, s := range r.sortedStreams() {
		if s.source == nil && now.Sub(s.goneAt) >= holdName {
			r.end(s)
		}
	}
	for _, s := range r.sortedStreams() {
		r.letIn(now, s)
		r.tellPlaces(now, s)
	}
	for _, m := range r.members {
		if m.renewAt.IsZero() || now.Before(m.renewAt) {
			continue
		}
		stream := signal.StreamID{}
		if m.role != wire.RoleEdge {
			s := r.streamOf(m)
			if s == nil {
				continue
			}
			stream = s.id
		}
		r.send(m, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Ticket{
			Ticket: &signalpb.Ticket{Ticket: r.renew(now, m, stream)},
		}})
	}
	return r.flush()
}

// renew issues a ticket for a member.
func (r *registry) renew(now time.Time, m *member, stream signal.StreamID) []byte {
	m.renewAt = now.Add(ticketLife / 2)
	return r.ticket(signal.Ticket{Stream: stream, Peer: m.peer, Role: m.role, Expires: now.Add(ticketLife)})
}

// find looks a stream up by lower-case name or id.
func (r *registry) find(target string) *stream {
	if s := r.names[target]; s != nil {
		return s
	}
	if id, err := wire.ParseStreamID(target); err == nil {
		return r.streams[id]
	}
	return nil
}

// streamOf is the live stream that a source or viewer is in, or nil.
func (r *registry) streamOf(m *member) *stream {
	switch m.role {
	case wire.RoleSource:
		return r.streams[m.stream]
	case wire.RoleViewer:
		return r.find(m.target)
	}
	return nil
}

func (r *registry) sortedStreams() []*stream {
	list := make([]*stream, 0, len(r.streams))
	for _, s := range r.streams {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *stream) int { return strings.Compare(a.name, b.name) })
	return list
}

func welcome(m *member, w *signalpb.Welcome) *signalpb.ServerMessage {
	w.ObservedIp = m.observed.String()
	return &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Welcome{Welcome: w}}
}

func peersMessage(id signal.StreamID, infos []*signalpb.PeerInfo) *signalpb.ServerMessage {
	return &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Peers{Peers: &signalpb.Peers{StreamId: id[:], Peers: infos}}}
}
