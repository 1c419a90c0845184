// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"p2plive/internal/live"
	"p2plive/internal/wire"
)

// States of a stream as a viewer sees it.
const (
	StateConnecting = "connecting" // the tracker has not answered yet
	StateWaiting    = "waiting"    // the stream is not live
	StateQueued     = "queued"     // it is full: the viewer waits until it is let in
	StateFull       = "full"       // it is full, and so is its queue: the viewer asks again
	StateBuffering  = "buffering"  // live, no fragment yet
	StateLive       = "live"       // fragments arrive
	StateEnded      = "ended"      // the source has said good-bye
)

// Status is a peer's state for programs: `watch --json` prints it and the
// pages show it. Byte counts are totals since the start.
type Status struct {
	State             string       `json:"state"`
	Name              string       `json:"name"`
	QueuePlace        int          `json:"queue_place,omitempty"` // from 1, while queued
	NAT               NATStatus    `json:"nat"`
	BytesFromPeers    uint64       `json:"bytes_from_peers"`
	BytesFromEdges    uint64       `json:"bytes_from_edges"`
	BytesUploaded     uint64       `json:"bytes_uploaded"`
	WireBytesSent     uint64       `json:"wire_bytes_sent"`
	WireBytesReceived uint64       `json:"wire_bytes_received"`
	FragmentsPlayed   uint64       `json:"fragments_played"`
	FragmentsMissed   uint64       `json:"fragments_missed"`
	Stalls            int          `json:"stalls"`
	StallMS           int64        `json:"stall_ms"`
	FirstFragmentMS   int64        `json:"first_fragment_ms"` // from the start, or from when the stream was live
	LatencyMS         Percentiles  `json:"latency_ms"`
	Peers             []PeerStatus `json:"peers"`
	Final             bool         `json:"final,omitempty"`
}

// NATStatus is what is known of the peer's NAT, in the terms of RFC 4787.
type NATStatus struct {
	Mapping   string `json:"mapping"`
	Filtering string `json:"filtering"`
	Type      string `json:"type"`
	Mapped    string `json:"mapped,omitempty"` // the public address that a router forwards on request
}

// Percentiles of a delay, in milliseconds.
type Percentiles struct {
	P50 int `json:"p50"`
	P95 int `json:"p95"`
	P99 int `json:"p99"`
}

// PercentilesOf reads them off a histogram.
func PercentilesOf(l *live.Latency) Percentiles {
	return Percentiles{P50: l.Percentile(0.50), P95: l.Percentile(0.95), P99: l.Percentile(0.99)}
}

// PeerStatus is one open session.
type PeerStatus struct {
	ID       wire.PeerID `json:"id"`
	Addr     string      `json:"addr"`
	Path     string      `json:"path"`             // lan, direct, mapped, punched, predicted, edge, edge over WebSocket
	Reason   string      `json:"reason,omitempty"` // one sentence: why it is not better; empty where it could not be
	Role     string      `json:"role"`
	RTTMS    float64     `json:"rtt_ms"`
	BytesIn  uint64      `json:"bytes_in"`
	BytesOut uint64      `json:"bytes_out"`
}

const unknown = "unknown"

// NewStatus puts a swarm's counters into the form for programs. state is
// StateLive or what keeps the peer from being live.
func NewStatus(st Stats, name, state string) Status {
	if state == StateLive {
		switch {
		case st.Catalog != nil && st.Catalog.Ended:
			state = StateEnded
		case st.FragmentsPlayed == 0:
			state = StateBuffering
		}
	}
	latency := st.Latency
	if latency == nil {
		latency = &live.Latency{}
	}
	s := Status{
		State: state, Name: name,
		NAT:            NATStatus{Mapping: unknown, Filtering: unknown, Type: unknown},
		BytesFromPeers: st.BytesFromPeers, BytesFromEdges: st.BytesFromEdges, BytesUploaded: st.BytesUploaded,
		FragmentsPlayed: st.FragmentsPlayed, FragmentsMissed: st.FragmentsMissed,
		Stalls: st.Stalls, StallMS: st.Stalled.Milliseconds(),
		FirstFragmentMS: st.FirstFragment.Milliseconds(),
		LatencyMS:       PercentilesOf(latency),
		Peers:           make([]PeerStatus, 0, len(st.Sessions)),
	}
	for _, ss := range st.Sessions {
		s.Peers = append(s.Peers, PeerStatus{
			ID: ss.Peer, Addr: ss.Addr.String(), Path: ss.Path, Reason: ss.Reason, Role: ss.Role.String(),
			RTTMS: float64(ss.RTT.Microseconds()) / 1000, BytesIn: ss.BytesIn, BytesOut: ss.BytesOut,
		})
	}
	return s
}
