// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/swarm/admission"
)

// This file lets viewers into a stream (package admission decides), and keeps
// those that have to wait.

// clock is the time as the stream's admission counts it: from its beginning on, so that setting the system's clock changes
// nothing. Never is long ago.
func (s *stream) clock(at time.Time) time.Duration { return max(at.Sub(s.since), -time.Hour) }

func newStream(now time.Time, id signal.StreamID, name string) *stream {
	s := &stream{
		id: id, name: name, since: now, byEdge: make(map[signal.PeerID]bool),
		control: admission.New[signal.PeerID](admission.Limits{Waiting: maxQueue, From: maxQueueFrom}),
	}
	s.control.SetEdges(admission.Edges{Unlimited: true}) // as long as no edge says otherwise
	return s
}

// knock asks for a viewer to be let into a stream. One that has been in, and
// only lost its connection to the tracker, plays: it does not wait.
func (r *registry) knock(now time.Time, m *member, s *stream) admission.Verdict {
	if m.let == s.id {
		s.control.Enter(s.clock(now), m.peer)
		return admission.Admitted
	}
	verdict, place := s.control.Arrive(s.clock(now), m.peer, prefixOf(m.observed))
	switch verdict {
	case admission.Queued:
		m.queued, m.place, m.toldAt = s, place, now
	case admission.Refused:
		r.out = append(r.out, output{to: m.id, msg: refuseCrowd.message(), last: true})
	}
	return verdict
}

// seat puts a viewer among those whom others are told of.
func (r *registry) seat(m *member) {
	a := r.viewers[m.target]
	if a == nil {
		a = new(audience)
		r.viewers[m.target] = a
	}
	a.add(m)
}

func (r *registry) unseat(m *member) {
	a := r.viewers[m.target]
	if a == nil {
		return
	}
	if a.remove(m); len(a.list) == 0 {
		delete(r.viewers, m.target)
	}
}

// removeViewer forgets a viewer. If it did not say goodbye, its place in the
// queue is kept for a while.
func (r *registry) removeViewer(now time.Time, m *member, bye bool) {
	s := m.queued
	if s == nil {
		r.unseat(m)
		s = r.find(m.target)
	}
	switch {
	case s == nil:
	case bye:
		s.control.Leave(m.peer)
	default:
		s.control.Lose(s.clock(now), m.peer)
	}
}

// supply tells a stream's admission how its edges do. While none carries the
// stream, nobody can play it, and so nobody is let in, unless no edge has a
// budget to be spent. While no edge is there at all, it stays as it was: the last
// one may be back in a moment, and all of the queue would then come at once.
func (r *registry) supply(s *stream) {
	var e admission.Edges
	carriers := r.carriers(s)
	for i, c := range carriers {
		if at := s.clock(c.reported); i == 0 || at < e.At {
			e.At = at
		}
		e.Unlimited = e.Unlimited || c.load.BudgetKbps == 0
		e.Budget += int64(c.load.BudgetKbps) * 1000
		e.Out += c.owes * 1000
		e.Feeds += int64(c.carries[s.id].OutKbps) * 1000
	}
	if len(carriers) == 0 {
		e.Unlimited = len(r.edges) > 0 || s.control.Supply().Edges.Unlimited
		for _, c := range r.edges {
			e.Unlimited = e.Unlimited && c.load.BudgetKbps == 0
		}
	}
	s.control.SetRate(int64(s.kbps) * 1000)
	s.control.SetEdges(e)
}

// letIn serves those whose turn it is.
func (r *registry) letIn(now time.Time, s *stream) {
	for _, peer := range s.control.Admit(s.clock(now)) {
		m := r.byPeer[peer]
		if m == nil || m.queued != s {
			s.control.Leave(peer)
			continue
		}
		m.queued = nil
		r.seat(m)
		r.send(m, r.live(now, m, s))
		if len(r.carriers(s)) > 0 {
			r.givePeers(now, m, s, firstPeers, nil)
		}
	}
}

// live is the word that lets a viewer in: its ticket.
func (r *registry) live(now time.Time, m *member, s *stream) *signalpb.ServerMessage {
	return &signalpb.ServerMessage{Body: &signalpb.ServerMessage_StreamState{StreamState: &signalpb.StreamState{
		State: signalpb.State_STATE_LIVE, StreamId: s.id[:], Name: s.name, Ticket: r.renew(now, m, s.id),
	}}}
}

// tellPlaces tells those that wait where they are in the queue.
func (r *registry) tellPlaces(now time.Time, s *stream) {
	for peer, place := range s.control.Waiting {
		m := r.byPeer[peer]
		if m == nil || m.queued != s || m.place == place || now.Sub(m.toldAt) < placeNews {
			continue
		}
		m.place, m.toldAt = place, now
		r.send(m, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_StreamState{StreamState: &signalpb.StreamState{
			State: signalpb.State_STATE_QUEUED, StreamId: s.id[:], Name: s.name, Place: uint32(place),
		}}})
	}
}

// dissolve ends a stream's queue: those in it wait for the stream from now on,
// as all others do.
func (r *registry) dissolve(s *stream) {
	for peer := range s.control.Waiting {
		if m := r.byPeer[peer]; m != nil && m.queued == s {
			m.queued = nil
			r.seat(m)
		}
	}
	one := s.control.Stats(0)
	r.past.Served += one.Served
	r.past.Waited += one.Waited
}

// queues adds up the queues of all streams.
func (r *registry) queues(now time.Time) admission.Stats {
	sum := r.past
	for _, s := range r.streams {
		one := s.control.Stats(s.clock(now))
		sum.Waiting += one.Waiting
		sum.Oldest = max(sum.Oldest, one.Oldest)
		sum.Served += one.Served
		sum.Waited += one.Waited
	}
	return sum
}
