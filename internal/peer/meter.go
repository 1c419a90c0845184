// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"net/netip"
	"slices"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/swarm"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

// meter counts what a swarm does for its viewer. The loop owns it.
type meter struct {
	joined   time.Time
	first    time.Duration // from joining to the first fragment, 0: none yet
	played   uint64
	missed   uint64
	latency  live.Latency
	playhead live.Playhead
	playing  wire.TrackID // the track that the playhead follows

	pieces     uint64
	duplicates uint64
	rescued    uint64 // bytes asked of an edge shortly before their deadline
	unusable   uint64
	dropped    uint64
	bad        uint64
	fromPeers  uint64
	fromEdges  uint64
	bytesOut   uint64
	bytesOwed  uint64
	controlOut uint64
	sent       rudp.Traffic // of the sessions that have ended
	twice      uint64       // bytes of payload from viewers that were there already
}

// took counts a piece that was not there yet.
func (m *meter) took(role wire.Role, via wire.Via, size int) {
	if role == wire.RoleViewer {
		m.fromPeers += uint64(size)
	} else {
		m.fromEdges += uint64(size)
	}
	if via == wire.Rescue {
		m.rescued += uint64(size)
	}
}

// delivered counts a fragment that is ready for the player.
func (m *meter) delivered(c *wire.Catalog, f *live.Fragment) {
	now := time.Now()
	m.played++
	if m.first == 0 {
		m.first = now.Sub(m.joined)
	}
	// What was cut before we came is the start's backlog, not latency.
	if f.Wall >= m.joined.UnixMilli() {
		m.latency.Add(now.Sub(time.UnixMilli(f.Wall)))
	}
	t := c.Track(f.Track)
	if t == nil {
		return
	}
	if m.playing == 0 && (t.Kind == wire.Video || !hasVideo(c)) {
		m.playing = f.Track
	}
	if f.Track == m.playing {
		start := mediaTime(f.Base, t.Timescale)
		end := mediaTime(f.Base+uint64(f.Duration), t.Timescale)
		m.playhead.Delivered(now.Sub(m.joined), start, end)
	}
}

// advance plays on. A player that has come to the end of the stream does not
// stall.
func (m *meter) advance(c *wire.Catalog) {
	if c != nil && !c.Ended {
		m.playhead.Advance(time.Since(m.joined))
	}
}

func hasVideo(c *wire.Catalog) bool {
	return slices.ContainsFunc(c.Tracks, func(t wire.Track) bool { return t.Kind == wire.Video })
}

// mediaTime converts without overflow, for any base time a source may sign.
func mediaTime(units uint64, timescale uint32) time.Duration {
	seconds := units / uint64(timescale)
	rest := units % uint64(timescale)
	const limit = uint64(1<<63-1)/uint64(time.Second) - 1
	return time.Duration(min(seconds, limit))*time.Second + time.Duration(rest)*time.Second/time.Duration(timescale)
}

// Stats is what a swarm has done so far.
type Stats struct {
	Catalog         *wire.Catalog // nil before the first
	Pieces          uint64        // received
	Duplicates      uint64        // of those
	BytesFromPeers  uint64        // media payload from viewers, without duplicates
	BytesFromEdges  uint64        // the same from edges and the source
	BytesTwice      uint64        // the same from viewers, of what was there already
	BytesRescued    uint64        // of those, asked for shortly before a deadline
	BytesUploaded   uint64        // media payload
	BytesOwed       uint64        // of it, to those that have a place here, and for rescue
	ControlBytes    uint64        // messages that are not pieces, sent
	BadPieces       uint64        // with a signature that does not hold
	Malformed       uint64        // messages
	Dropped         uint64        // pieces not sent because a queue was full
	FragmentsPlayed uint64
	FragmentsMissed uint64
	Uplink          int64 // bits a second that the line is taken to carry to others
	Settled         bool
	AtEdge          bool // an edge or the source is a parent
	Stalls          int
	Stalled         time.Duration
	FirstFragment   time.Duration // from joining; 0: none yet
	Latency         *live.Latency
	Machine         swarm.Stats
	StoreBytes      int
	Sent            rudp.Traffic // by all sessions
	Socket          rudp.EndpointStats
	Sessions        []SessionStats
}

// SessionStats is one session of a swarm.
type SessionStats struct {
	Peer     wire.PeerID
	Addr     netip.AddrPort
	Path     string // how the peer is reached: one of PathLAN to PathTunnel
	Reason   string // one sentence: why the path is not better; empty where it could not be
	Role     wire.Role
	RTT      time.Duration
	BytesIn  uint64 // media payload
	BytesOut uint64 // media payload
}

// Stats returns the swarm's counters; the last ones once it has been left.
func (s *Swarm) Stats() Stats {
	var st Stats
	if s.ask(func() { st = s.stats() }) != nil {
		<-s.stopped
		return s.last
	}
	return st
}

// Settled reports whether there is a place in every tree, and none is a
// temporary one.
func (s *Swarm) Settled() bool {
	var yes bool
	_ = s.ask(func() { yes = s.settled() })
	return yes
}

func (s *Swarm) settled() bool {
	m := s.machine.Stats()
	return m.Trees > 0 && m.Attached == m.Trees && m.Temporary == 0
}

func (s *Swarm) stats() Stats {
	m := &s.meter
	m.advance(s.catalog)
	st := Stats{
		Catalog: s.catalog, Pieces: m.pieces, Duplicates: m.duplicates,
		BytesFromPeers: m.fromPeers, BytesFromEdges: m.fromEdges, BytesRescued: m.rescued,
		BytesUploaded: m.bytesOut, BytesOwed: m.bytesOwed, ControlBytes: m.controlOut, BadPieces: m.bad, Malformed: s.malformed.Load(), Dropped: m.dropped,
		FragmentsPlayed: m.played, FragmentsMissed: m.missed, FirstFragment: m.first,
		Latency: m.latency.Clone(), StoreBytes: s.store.Bytes(),
		Machine: s.machine.Stats(), BytesTwice: m.twice, Sent: m.sent,
	}
	st.Stalls, st.Stalled = m.playhead.Stalls()
	st.Settled, st.AtEdge = s.settled(), s.machine.Stats().AtServers > 0
	if !s.cfg.EdgeOnly {
		st.Uplink = s.uplink.told
	}
	for id, ss := range s.sessions {
		w, conn := s.host.way(ss), ss.conn.Stats()
		st.Sent.Add(conn.Sent)
		st.Sessions = append(st.Sessions, SessionStats{
			Peer: id, Addr: ss.conn.RemoteAddr(), Path: w.Path, Reason: w.Reason, Role: ss.role,
			RTT: conn.RTT, BytesIn: ss.mediaIn, BytesOut: ss.mediaOut,
		})
	}
	st.Socket = s.host.endpoint.Stats() // after its sessions: it has sent no less than they have
	slices.SortFunc(st.Sessions, func(a, b SessionStats) int { return slices.Compare(a.Peer[:], b.Peer[:]) })
	return st
}
