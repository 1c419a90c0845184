// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/wire"
)

// totals add up what viewers report of themselves: good for a graph, not for a
// bill.
type totals struct {
	fromPeers uint64
	fromEdges uint64
	missed    uint64
}

// maxStep bounds how much one report may add to a total: a liar or a restarted
// counter must not spoil the graph.
const maxStep = 4 << 30

func (t *totals) add(old, now signal.Report) {
	step := func(total *uint64, old, now uint64) {
		if now > old && now-old <= maxStep {
			*total += now - old
		}
	}
	step(&t.fromPeers, old.BytesFromPeers, now.BytesFromPeers)
	step(&t.fromEdges, old.BytesFromEdges, now.BytesFromEdges)
	step(&t.missed, old.FragmentsMissed, now.FragmentsMissed)
}

// report takes in how a peer does.
func (r *registry) report(now time.Time, id connID, rep signal.Report) []output {
	m := r.members[id]
	if m == nil {
		return nil
	}
	switch m.role {
	case wire.RoleEdge:
		r.reportEdge(now, m, rep)
	case wire.RoleSource:
		r.reportSource(now, m, rep)
	default:
		r.totals.add(m.last, rep)
		m.last = signal.Report{
			BytesFromPeers: rep.BytesFromPeers, BytesFromEdges: rep.BytesFromEdges, FragmentsMissed: rep.FragmentsMissed,
		}
		if m.queued != nil {
			break
		}
		r.viewers[m.target].count(m, r.waysOf(m, rep.Connections))
		if s := r.streamOf(m); s != nil {
			s.control.Report(m.peer, int64(rep.UplinkKbps)*1000, rep.Settled, rep.AtEdge)
			r.letIn(now, s)
		}
	}
	return r.flush()
}

// waysOf says of each connection how it came about, and why not better. The reason is in the tracker's own words, for
// everybody can read it.
func (r *registry) waysOf(m *member, list []signal.Connection) []signal.Way {
	var ways []signal.Way
	for _, c := range list {
		other := r.byPeer[c.Peer]
		switch {
		case c.Path == signal.PathEdge || c.Path == signal.PathTunnel:
			ways = append(ways, signal.ServerWay(c.Path, m.edgeOnly, m.nat.Type))
		case other != nil:
			ways = append(ways, signal.ViewerWay(c.Path, m.nat.Type, other.nat.Type))
		} // else it has left, and the report comes late
	}
	return ways
}

func (r *registry) reportEdge(now time.Time, m *member, rep signal.Report) {
	m.load, m.assigned, m.reported = rep.Load, 0, now
	old := m.carries
	m.carries, m.owes = make(map[signal.StreamID]signal.Carried, len(rep.Carried)), 0
	for _, c := range rep.Carried {
		m.owes += int64(c.OutKbps) - int64(m.carries[c.Stream].OutKbps) // a stream named twice counts once
		m.carries[c.Stream] = c
		delete(m.asked, c.Stream)
		if s := r.streams[c.Stream]; s != nil && c.Kbps > 0 {
			s.kbps = c.Kbps
		}
	}
	for stream := range old {
		if _, still := m.carries[stream]; !still {
			if s := r.streams[stream]; s != nil {
				delete(s.byEdge, m.peer)
				r.supply(s)
				r.rescue(s)
			}
		}
	}
	for _, c := range rep.Carried {
		s := r.streams[c.Stream]
		if s == nil || s.byEdge[m.peer] {
			continue
		}
		r.gain(now, s, func() { s.byEdge[m.peer] = true })
	}
	for _, c := range rep.Carried {
		if s := r.streams[c.Stream]; s != nil {
			r.supply(s)
			r.letIn(now, s)
		}
	}
}

func (r *registry) reportSource(now time.Time, m *member, rep signal.Report) {
	s := r.streams[m.stream]
	if s == nil || s.source != m {
		return
	}
	for _, c := range rep.Carried {
		if c.Stream == s.id {
			s.kbps = c.Kbps
		}
	}
	had := len(r.carriers(s)) > 0
	r.gain(now, s, func() {
		s.bySource = make(map[signal.PeerID]bool, len(rep.Edges))
		for _, e := range rep.Edges {
			s.bySource[e] = true
		}
	})
	if had {
		r.rescue(s)
	}
}

// gain runs a change and, when it gives a stream its first edge, serves the
// viewers that waited for one.
func (r *registry) gain(now time.Time, s *stream, change func()) {
	before := len(r.carriers(s))
	change()
	r.supply(s)
	if before == 0 && len(r.carriers(s)) > 0 {
		r.giveAllPeers(now, s)
	}
	r.letIn(now, s)
}
