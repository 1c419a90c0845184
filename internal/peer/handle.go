// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"errors"
	"slices"
	"time"

	"p2plive/internal/swarm"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

// ban remembers a peer that has sent a bad piece.
type ban struct {
	peer  wire.PeerID
	until time.Time
}

// handle gives an event to the machine and carries out its commands.
func (s *Swarm) handle(ev swarm.Event) {
	for _, cmd := range s.machine.Handle(time.Since(s.start), ev) {
		s.do(cmd)
	}
}

func (s *Swarm) do(cmd swarm.Command) {
	switch c := cmd.(type) {
	case swarm.Send:
		s.send(s.sessions[c.Peer], c.Msg)
	case swarm.SendPiece:
		s.sendPiece(c)
	case swarm.Deliver:
		if f := s.store.Fragment(c.Track, c.Seq); f != nil {
			s.meter.delivered(s.catalog, f)
			s.cfg.Output.Publish(f)
		}
	case swarm.Missed:
		s.meter.missed++
		s.cfg.Output.Missed(c.Track, c.Seq)
	case swarm.Wake:
		s.wake.Reset(c.At - time.Since(s.start))
	case swarm.Dial:
		s.dial(c.Peer)
	case swarm.Drop:
		if ss := s.sessions[c.Peer]; ss != nil {
			s.endSession(ss, c.Reason)
		}
	case swarm.WantPeers:
		if s.cfg.WantPeers != nil {
			s.cfg.WantPeers(c.N)
		}
	}
}

// send queues a small message. A peer whose control queue is full has stopped
// reading; it is let go rather than left with half of the truth.
func (s *Swarm) send(ss *session, m wire.Message) {
	if ss == nil {
		return
	}
	s.scratch = wire.Append(s.scratch[:0], m)
	if err := control(ss.conn).TrySend(s.scratch); err != nil {
		if errors.Is(err, rudp.ErrQueueFull) {
			ss.conn.Close("the peer does not read")
		}
		return
	}
	s.meter.controlOut += uint64(len(s.scratch))
}

func (s *Swarm) sendPiece(c swarm.SendPiece) {
	ss, p := s.sessions[c.Peer], s.store.Piece(c.ID)
	if ss == nil || p == nil {
		return
	}
	opts := rudp.SendOptions{NoWait: true}
	if c.Expires > 0 {
		opts.Deadline = s.start.Add(c.Expires)
	}
	s.scratch = wire.Append(s.scratch[:0], &wire.PieceMessage{Via: c.Via, Piece: p})
	if err := ss.pieces(c.ID.Track, c.Via).SendMessage(s.ctx, s.scratch, opts); err != nil {
		s.meter.dropped++
		s.handle(swarm.SendFailed{Peer: c.Peer, ID: c.ID})
		return
	}
	ss.mediaOut += uint64(len(p.Payload))
	s.meter.bytesOut += uint64(len(p.Payload))
	if c.Via != wire.Repair {
		s.meter.bytesOwed += uint64(len(p.Payload))
	}
}

// receive takes one message of a session.
func (s *Swarm) receive(in inbound) {
	ss := in.session
	if s.sessions[ss.peer] != ss {
		return // replaced or ended meanwhile
	}
	switch m := in.msg.(type) {
	case nil: // gone
		s.endSession(ss, "")
	case *wire.PieceMessage:
		if in.bad {
			s.evict(ss, m.Piece.Raw())
			return
		}
		s.takePiece(ss, m)
	case *wire.SignedCatalog:
		switch {
		case in.bad:
			s.evict(ss, nil)
		case in.catalog.Newer(s.catalog):
			s.setCatalog(in.catalog, m, ss)
		}
	case *wire.Hello: // said once, at the start
	default:
		s.handle(swarm.Received{Peer: ss.peer, Msg: m})
	}
}

func (s *Swarm) takePiece(ss *session, m *wire.PieceMessage) {
	p := m.Piece
	ss.mediaIn += uint64(len(p.Payload))
	s.meter.pieces++
	fresh, _, err := s.store.Put(p)
	if err != nil {
		s.meter.unusable++
		return
	}
	if fresh {
		s.meter.took(ss.role, m.Via, len(p.Payload))
	} else {
		s.meter.duplicates++
		if ss.role == wire.RoleViewer {
			s.meter.twice += uint64(len(p.Payload))
		}
	}
	s.handle(swarm.PieceIn{Peer: ss.peer, Header: p.PieceHeader, Size: len(p.Payload), Via: m.Via, New: fresh})
}

// setCatalog takes a newer catalog and passes it on to everybody but from.
func (s *Swarm) setCatalog(c *wire.Catalog, signed *wire.SignedCatalog, from *session) {
	if s.catalog == nil || c.Epoch != s.catalog.Epoch {
		s.store.Reset(c.Epoch)
	}
	s.meter.advance(s.catalog)
	s.catalog, s.signed = c, signed
	s.cfg.Output.SetCatalog(c)
	ev := swarm.CatalogSet{Epoch: c.Epoch, Ended: c.Ended}
	for i := range c.Tracks {
		t := &c.Tracks[i]
		ev.Tracks = append(ev.Tracks, swarm.TrackInfo{
			ID: t.ID, Kind: t.Kind, Substreams: t.Substreams, Timescale: t.Timescale, Bitrate: t.Bitrate,
		})
	}
	// Neighbours need the catalog before the pieces that the machine may
	// send them now.
	for _, ss := range s.sessions {
		if ss != from {
			s.send(ss, signed)
		}
	}
	if s.cfg.Role == wire.RoleViewer {
		s.beginUplink()
	}
	s.handle(ev)
}

// evict lets a peer go that has sent something the source never signed.
func (s *Swarm) evict(ss *session, piece []byte) {
	s.log.Warn("peer sent a bad signature and was dropped", "peer", ss.peer, "addr", ss.conn.RemoteAddr())
	s.meter.bad++
	if len(s.banned) == maxBanned {
		s.banned = slices.Delete(s.banned, 0, 1)
	}
	s.banned = append(s.banned, ban{peer: ss.peer, until: time.Now().Add(banTime)})
	s.handle(swarm.PieceBad{Peer: ss.peer})
	s.endSession(ss, "bad signature")
	if s.cfg.ReportBad != nil && piece != nil {
		s.cfg.ReportBad(ss.peer, piece)
	}
}

func (s *Swarm) isBanned(peer wire.PeerID) bool {
	now := time.Now()
	s.banned = slices.DeleteFunc(s.banned, func(b ban) bool { return now.After(b.until) })
	return slices.ContainsFunc(s.banned, func(b ban) bool { return b.peer == peer })
}

func (s *Swarm) addSession(ss *session) {
	old := s.sessions[ss.peer]
	switch {
	case s.isBanned(ss.peer):
		ss.conn.Close("bad signature")
		return
	case old == nil && len(s.sessions) >= maxSessions:
		ss.conn.Close("too many peers")
		return
	case old != nil && old.conn.Err() == nil && !ss.replaces(old):
		ss.conn.Close("a session is open already")
		return
	case old != nil:
		s.endSession(old, "a newer session is open")
	}
	s.sessions[ss.peer] = ss
	s.wg.Go(ss.read)
	if s.signed != nil {
		s.send(ss, s.signed)
	}
	s.log.Debug("peer up", "peer", ss.peer.Short(), "role", ss.role, "addr", ss.conn.RemoteAddr())
	s.handle(swarm.PeerUp{Peer: ss.peer, Role: ss.role, RTT: ss.conn.Stats().RTT, Addrs: ss.addrs})
}

func (s *Swarm) endSession(ss *session, reason string) {
	if s.sessions[ss.peer] != ss {
		return
	}
	delete(s.sessions, ss.peer)
	ss.conn.Close(reason)
	s.meter.sent.Add(ss.conn.Stats().Sent)
	s.log.Debug("peer down", "peer", ss.peer.Short(), "role", ss.role, "err", ss.conn.Err())
	s.handle(swarm.PeerDown{Peer: ss.peer})
}

// dial opens a session in the background.
func (s *Swarm) dial(info wire.PeerInfo) {
	if s.dialing[info.ID] {
		return
	}
	if len(s.dialing) >= maxDials || s.isBanned(info.ID) || info.ID == s.host.ID() {
		s.handle(swarm.DialFailed{Peer: info.ID})
		return
	}
	s.dialing[info.ID] = true
	s.wg.Go(func() {
		ss, err := s.host.dial(s.ctx, s, info)
		called := s.call(func() {
			delete(s.dialing, info.ID)
			if err != nil {
				s.log.Debug("peer not reached", "peer", info.ID.Short(), "role", info.Role, "err", err)
				s.handle(swarm.DialFailed{Peer: info.ID})
				return
			}
			s.addSession(ss)
		})
		if called != nil && ss != nil {
			ss.conn.Close("the peer is stopping")
		}
	})
}

// watchPaths looks after the sessions with edges.
func (s *Swarm) watchPaths() {
	for _, ss := range s.sessions {
		if ss.dialed && ss.role == wire.RoleEdge {
			s.host.watchPath(ss)
		}
	}
}

func (s *Swarm) measureLinks() {
	for id, ss := range s.sessions {
		s.handle(swarm.Link{Peer: id, RTT: ss.conn.Stats().RTT})
	}
	s.meter.advance(s.catalog)
}
