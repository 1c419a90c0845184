// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"net/netip"

	"p2plive/internal/live"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

// session is one open session with a peer of a swarm. Its counters belong to
// the swarm's loop.
type session struct {
	swarm  *Swarm
	conn   *rudp.Conn
	peer   wire.PeerID
	role   wire.Role
	dialed bool             // we opened it
	addrs  []netip.AddrPort // where others could reach the peer; none: they shall not

	mediaIn, mediaOut uint64 // bytes of payload

	seen rudp.ConnStats // when the uplink was looked at last
}

// accepted is a session that the peer opened.
func accepted(s *Swarm, conn *rudp.Conn, hello *wire.Hello, role wire.Role) *session {
	ss := &session{swarm: s, conn: conn, peer: wire.PeerID(conn.Peer()), role: role}
	// What is not known here can be told to nobody.
	if !hello.EdgeOnly {
		ss.addrs = []netip.AddrPort{conn.RemoteAddr()}
	}
	return ss
}

// dialed is a session that we opened.
func dialed(s *Swarm, conn *rudp.Conn, info wire.PeerInfo) *session {
	return &session{swarm: s, conn: conn, peer: info.ID, role: info.Role, dialed: true, addrs: info.Addrs}
}

// control returns a session's channel of everything but pieces. The pacer holds none of
// it back: on a narrow line acknowledgements take all that it would give.
func control(conn *rudp.Conn) *rudp.Channel {
	ch := conn.Channel(controlChannel)
	ch.SetPriority(rudp.Control)
	return ch
}

// pieces returns the channel for a track's pieces that are sent for a reason.
func (ss *session) pieces(track wire.TrackID, via wire.Via) *rudp.Channel {
	id, priority := rudp.ChannelID(track), rudp.Newest
	switch via {
	case wire.Repair:
		id, priority = id+repairChannels, rudp.Repair
	case wire.Rescue:
		id, priority = id+rescueChannels, rudp.Rescue
	}
	ch := ss.conn.Channel(id)
	ch.SetPriority(priority)
	return ch
}

// initiator returns the peer that opened the session.
func (ss *session) initiator() wire.PeerID {
	if ss.dialed {
		return ss.swarm.host.ID()
	}
	return ss.peer
}

// replaces reports whether ss is to be kept where both are sessions with the
// same peer. Both sides come to the same answer.
func (ss *session) replaces(old *session) bool {
	if ss.dialed == old.dialed {
		return true // the peer has started anew
	}
	a, b := ss.initiator(), old.initiator()
	return string(a[:]) < string(b[:])
}

// inbound is a message of a session on its way to the swarm's loop.
type inbound struct {
	session *session
	msg     wire.Message
	catalog *wire.Catalog // opened, for a SignedCatalog
	bad     bool          // the signature does not hold
	gone    bool          // the session has ended
}

// read parses and verifies what the peer sends, until the session ends. It
// runs in a goroutine of its own, so that signatures are checked in parallel.
func (ss *session) read() {
	defer ss.swarm.deliver(inbound{session: ss, gone: true})
	malformed := 0
	for {
		m, err := ss.conn.Recv(ss.swarm.ctx)
		if err != nil {
			return
		}
		in := inbound{session: ss}
		if in.msg, err = wire.Parse(m.Data); err == nil {
			err = ss.verify(&in)
		}
		if err != nil {
			ss.swarm.malformed.Add(1)
			if malformed++; malformed > maxMalformed {
				ss.conn.Close("too many malformed messages")
				return
			}
			continue
		}
		if !ss.swarm.deliver(in) {
			return
		}
	}
}

// verify checks the signature of what carries one.
func (ss *session) verify(in *inbound) (err error) {
	switch m := in.msg.(type) {
	case *wire.PieceMessage:
		in.bad = live.Verify(ss.swarm.cfg.Stream, m.Piece) != nil
	case *wire.SignedCatalog:
		if in.catalog, err = live.OpenCatalog(ss.swarm.cfg.Stream, m); err == live.ErrBadSignature {
			in.bad, err = true, nil
		}
	}
	return err
}
