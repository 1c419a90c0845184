// SPDX-License-Identifier: GPL-3.0-or-later

package demo

import (
	"maps"
	"math"
	"slices"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/peer"
	"p2plive/libnet/rudp"
)

// datagramHeaders of IPv4 and UDP are on every line.
const datagramHeaders = 28

// Line is what viewers with lines of one kind saw and gave.
type Line struct {
	Kbit      int64            `json:"kbit"` // upwards, a second
	Viewers   int              `json:"viewers"`
	Offload   float64          `json:"offload"`
	LatencyMS peer.Percentiles `json:"latency_ms"`
	Missed    uint64           `json:"fragments_missed"`
	Stalls    int              `json:"stalls"`
	// Believed is what a line is taken to carry to others, in kbit/s, the mean of all.
	Believed float64 `json:"believed"`
	Sent     Account `json:"sent"`
}

// Account says what an uplink carried, in kbit/s with all headers, the mean of a group's viewers.
type Account struct {
	All     float64 `json:"all"`
	Push    float64 `json:"push"`    // pieces, with the headers of segments
	Repair  float64 `json:"repair"`  // the same, asked for
	Rescue  float64 `json:"rescue"`  // the same, asked for shortly before their time is over
	Control float64 `json:"control"` // other messages
	Again   float64 `json:"again"`   // retransmissions
	Parity  float64 `json:"parity"`
	Acks    float64 `json:"acks"`
	// Headers are those of IPv4, UDP and the sessions' datagrams, and padding.
	Headers float64 `json:"headers"`
	// Others are handshakes, and what looks for ways through NATs.
	Others float64 `json:"others"`
	// Twice is the payload that these viewers got from viewers and had already: it is in what those sent.
	Twice float64 `json:"twice"`
}

// group is the sum over some viewers, from the start.
type group struct {
	viewers              int
	fromPeers, fromEdges uint64
	twice                uint64
	played, missed       uint64
	pieces, duplicates   uint64
	stalls               int
	believed             int64 // now
	latency              live.Latency
	sent                 rudp.Traffic
	socket               uint64 // bytes sent, all headers included
}

func (g *group) add(st *peer.Stats) {
	g.viewers++
	g.fromPeers += st.BytesFromPeers
	g.fromEdges += st.BytesFromEdges
	g.twice += st.BytesTwice
	g.played += st.FragmentsPlayed
	g.missed += st.FragmentsMissed
	g.pieces += st.Pieces
	g.duplicates += st.Duplicates
	g.stalls += st.Stalls
	g.believed += st.Uplink
	g.latency.Merge(st.Latency)
	g.sent.Add(st.Sent)
	g.socket += st.Socket.BytesOut + datagramHeaders*st.Socket.DatagramsOut
}

// since returns what came after an earlier state of the same group.
func (g *group) since(was *group) group {
	d := *g
	d.fromPeers -= was.fromPeers
	d.fromEdges -= was.fromEdges
	d.twice -= was.twice
	d.played -= was.played
	d.missed -= was.missed
	d.pieces -= was.pieces
	d.duplicates -= was.duplicates
	d.stalls -= was.stalls
	d.sent.Subtract(was.sent)
	d.socket -= was.socket
	d.latency = *g.latency.Clone()
	d.latency.Subtract(&was.latency)
	return d
}

// account returns what the group's uplinks carried in some time.
func (g *group) account(took time.Duration) Account {
	seconds := took.Seconds() * float64(max(g.viewers, 1))
	if seconds <= 0 {
		return Account{}
	}
	kbit := func(bytes uint64) float64 { return math.Round(float64(bytes)*8/seconds/100) / 10 }
	t := &g.sent
	var first uint64
	for _, n := range t.First {
		first += n
	}
	onWire := t.Bytes + datagramHeaders*t.Datagrams
	return Account{
		All: kbit(g.socket), Push: kbit(t.First[rudp.Newest]), Repair: kbit(t.First[rudp.Repair]), Rescue: kbit(t.First[rudp.Rescue]),
		Control: kbit(t.First[rudp.Control]), Again: kbit(t.Again), Parity: kbit(t.Parity), Acks: kbit(t.Acks),
		Headers: kbit(onWire - first - t.Again - t.Parity - t.Acks), Others: kbit(max(g.socket, onWire) - onWire), Twice: kbit(g.twice),
	}
}

// linesSince tells of the groups, the narrowest lines first.
func (t *totals) linesSince(was *totals) []Line {
	var lines []Line
	for _, up := range slices.Sorted(maps.Keys(t.lines)) {
		earlier := was.lines[up]
		if earlier == nil {
			earlier = new(group)
		}
		g := t.lines[up].since(earlier)
		lines = append(lines, Line{
			Kbit: up / 1000, Viewers: g.viewers, Offload: share(g.fromPeers, g.fromPeers+g.fromEdges),
			LatencyMS: peer.PercentilesOf(&g.latency), Missed: g.missed, Stalls: g.stalls,
			Believed: math.Round(float64(g.believed) / float64(g.viewers) / 1000), Sent: g.account(t.at.Sub(was.at)),
		})
	}
	return lines
}
