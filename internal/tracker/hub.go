// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"net/netip"
	"time"

	"p2plive/internal/signal"
	"p2plive/libnet/nat"
)

// This file is where sessions and the registry meet: each method takes the
// lock, hands the registry an event, and queues what comes out of it.

// enter counts a new connection in, unless the tracker is stopping.
func (t *Tracker) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping {
		return false
	}
	t.sessionsWG.Add(1)
	return true
}

// deliver queues messages without waiting: a connection that does not read its
// own is dropped rather than let it hold up the others. Called with the lock.
func (t *Tracker) deliver(out []output) {
	for _, o := range out {
		s := t.sessions[o.to]
		if s == nil {
			continue
		}
		select {
		case s.out <- o:
		default:
			t.metrics.slow.Inc()
			s.abort(errSlow)
		}
	}
}

// join gives an admitted session its place. The error is a *refusal.
func (t *Tracker) join(s *session, a announcement) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping {
		return refuseStopping
	}
	t.lastID++
	s.id = t.lastID
	out, no := t.reg.join(time.Now(), s.id, a)
	if no != nil {
		return no
	}
	t.sessions[s.id] = s
	t.deliver(out)
	return nil
}

func (t *Tracker) leave(s *session, bye bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, s.id)
	t.deliver(t.reg.leave(time.Now(), s.id, bye))
}

func (t *Tracker) setAddrs(id connID, addrs []netip.AddrPort, mapped netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reg.setAddrs(id, addrs, mapped)
}

func (t *Tracker) setNAT(id connID, class nat.Class) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reg.setNAT(id, class)
}

// connectionRequest takes a request from the UDP port; what is returned goes back.
func (t *Tracker) connectionRequest(b []byte, from netip.AddrPort) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	out, reply := t.reg.connectionRequest(time.Now(), b, from)
	t.deliver(out)
	return reply
}

func (t *Tracker) requestPeers(id connID, n int, exclude peerSet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deliver(t.reg.requestPeers(time.Now(), id, n, exclude))
}

func (t *Tracker) report(id connID, rep signal.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deliver(t.reg.report(time.Now(), id, rep))
}

// accuse takes note of a peer that is said to have sent a bad piece; each is
// logged once.
func (t *Tracker) accuse(id connID, polluter signal.PeerID) {
	t.metrics.badPieces.Inc()
	t.mu.Lock()
	known := t.polluters[polluter]
	if !known {
		if len(t.polluters) >= maxPolluters {
			clear(t.polluters)
		}
		t.polluters[polluter] = true
	}
	t.mu.Unlock()
	if !known {
		t.log.Warn("a peer is accused of sending bad pieces", "polluter", polluter, "reporter_conn", id)
	}
}
