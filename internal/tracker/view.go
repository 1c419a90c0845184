// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"cmp"
	"slices"
	"time"

	"p2plive/internal/signal"
)

// StreamView is what the JSON API tells of a live stream.
type StreamView struct {
	Name    string          `json:"name"`
	ID      signal.StreamID `json:"id"`
	Live    bool            `json:"live"`
	Viewers int             `json:"viewers"`
	Queue   int             `json:"queue"` // those that wait to be let in
	Edges   int             `json:"edges"`
	Since   time.Time       `json:"since"`
	Kbps    uint32          `json:"kbps,omitempty"` // media rate, as the source or an edge reports it
}

// StreamDetail adds where a browser can play a stream directly.
type StreamDetail struct {
	Name    string          `json:"name"`
	ID      signal.StreamID `json:"id"`
	Live    bool            `json:"live"`
	Viewers int             `json:"viewers"`
	Queue   int             `json:"queue"`
	Since   time.Time       `json:"since"`
	Kbps    uint32          `json:"kbps,omitempty"`
	Edges   []EdgeAddress   `json:"edges"`
	Paths   []PathView      `json:"paths"` // of all viewers' connections, the most frequent first
}

// PathView counts the connections that came about in one way. One between two viewers counts twice, once for each.
type PathView struct {
	Path        string `json:"path"`
	Reason      string `json:"reason,omitempty"` // why not better, in one sentence
	Connections int    `json:"connections"`
}

// EdgeAddress is where an edge can be reached.
type EdgeAddress struct {
	PeerID  signal.PeerID `json:"peer_id"`
	HTTPURL string        `json:"http_url"`
	UDP     []string      `json:"udp"`
}

// NodesView counts the peers and lists the edges. Viewers are counted and never
// listed: strangers must not learn who watches.
type NodesView struct {
	Sources int        `json:"sources"`
	Viewers int        `json:"viewers"`
	Edges   []NodeView `json:"edges"`
}

// NodeView is one edge.
type NodeView struct {
	PeerID   signal.PeerID `json:"peer_id"`
	HTTPURL  string        `json:"http_url"`
	Sessions uint32        `json:"sessions"`
	OutKbps  uint32        `json:"out_kbps"`
	Budget   uint32        `json:"budget_kbps,omitempty"` // 0: no limit
	Streams  int           `json:"streams"`
}

type census struct{ edges, sources, viewers, streams int }

func (r *registry) census() census {
	c := census{edges: len(r.edges), streams: len(r.streams)}
	for _, s := range r.streams {
		if s.source != nil {
			c.sources++
		}
	}
	c.viewers = len(r.members) - c.edges - c.sources
	return c
}

func (r *registry) streamViews() []StreamView {
	list := make([]StreamView, 0, len(r.streams))
	for _, s := range r.sortedStreams() {
		list = append(list, StreamView{
			Name: s.name, ID: s.id, Live: true, Viewers: r.viewerCount(s), Queue: s.control.Stats(0).Waiting,
			Edges: len(r.carriers(s)), Since: s.since, Kbps: s.kbps,
		})
	}
	return list
}

func (r *registry) streamDetail(target string) (StreamDetail, bool) {
	s := r.find(target)
	if s == nil {
		return StreamDetail{}, false
	}
	d := StreamDetail{
		Name: s.name, ID: s.id, Live: true, Viewers: r.viewerCount(s), Queue: s.control.Stats(0).Waiting,
		Since: s.since, Kbps: s.kbps, Edges: []EdgeAddress{}, Paths: r.paths(s),
	}
	for _, e := range r.carriers(s) {
		d.Edges = append(d.Edges, EdgeAddress{PeerID: e.peer, HTTPURL: e.httpURL, UDP: signal.FormatAddrs(e.addrs)})
	}
	return d, true
}

// paths adds up the ways of all connections of a stream's viewers.
func (r *registry) paths(s *stream) []PathView {
	sum := make(map[signal.Way]int)
	for _, a := range r.audiences(s) {
		for w, n := range a.ways {
			sum[w] += n
		}
	}
	list := []PathView{}
	for w, n := range sum {
		list = append(list, PathView{w.Path, w.Reason, n})
	}
	slices.SortFunc(list, func(a, b PathView) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

func (r *registry) nodes() NodesView {
	c := r.census()
	v := NodesView{Sources: c.sources, Viewers: c.viewers, Edges: []NodeView{}}
	for _, e := range r.allEdges() {
		v.Edges = append(v.Edges, NodeView{
			PeerID: e.peer, HTTPURL: e.httpURL, Sessions: e.load.Sessions, OutKbps: e.load.OutKbps,
			Budget: e.load.BudgetKbps, Streams: len(e.carries),
		})
	}
	return v
}
