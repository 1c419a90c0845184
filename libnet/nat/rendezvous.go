// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// Party is a peer that has a long connection to the tracker.
type Party struct {
	ID       PeerKey
	Key      RequestKey
	Observed netip.Addr // where its long connection comes from
	Class    Class
}

// RelayKind says what a Relay tells.
type RelayKind uint8

// Kinds of relays, the events of a Puncher.
const (
	RelayWanted  RelayKind = iota + 1 // PunchWanted
	RelayGo                           // PunchGo
	RelayRefused                      // PunchRefused
)

// Relay is something to tell a peer over its long connection.
type Relay struct {
	To      [8]byte // tag of the connection
	Kind    RelayKind
	Attempt AttemptID
	Peer    PeerKey
	Seen    netip.AddrPort // where Peer's request came from
	Class   Class          // of Peer
	Reason  string         // of RelayRefused, one sentence
}

// RendezvousConfig configures a Rendezvous. The zero value is usable.
type RendezvousConfig struct {
	// Allow says in one sentence why a peer may not be connected with another; empty: it may. Nil: it may.
	Allow func(asker, peer PeerKey) string
	// Near tells of two peers whose NATs are said to keep them apart that they may reach each other past them: inside
	// of one network, or by IPv6. Nil: none do.
	Near func(asker, peer PeerKey) bool
	// OnLimit is called once for each connection that asks faster than it may.
	OnLimit func(asker PeerKey)
}

// Rendezvous is the tracker's part in hole punching, without sockets, goroutines and clock: connection requests
// from its UDP port go in, what to tell whom comes out. It is not safe for concurrent use.
//
// Nobody but a connected peer can make it say anything: requests are authenticated with a key of the long
// connection, each counts once, and an address other than that of the connection has to be proved. So a forged
// source makes no peer send anything, and a peer's own address is the only one that it can have others probe
// in numbers.
type Rendezvous struct {
	cfg      RendezvousConfig
	secret   [32]byte // of cookies
	parties  map[[8]byte]*party
	byID     map[PeerKey]*party
	attempts map[AttemptID]*meeting
	begun    []*meeting // oldest first
	stats    RendezvousStats
}

// RendezvousStats counts requests by what became of them.
type RendezvousStats struct {
	Forwarded uint64 // the other was told
	Met       uint64 // both were told
	Repeated  uint64 // of an attempt that was forwarded
	Refused   uint64 // with a reason
	Cookies   uint64 // answered by a demand for a cookie
	Unknown   uint64 // dropped: no such connection
	Forged    uint64 // dropped: not authentic
	Replayed  uint64 // dropped: has come before
	Limited   uint64 // dropped: too many of one peer, for one peer, or altogether
}

type party struct {
	Party
	window counterWindow
	asks   pace
	wanted pace
	warned bool
}

// meeting is an attempt of two peers.
type meeting struct {
	id           AttemptID
	asker, other [8]byte
	seen         netip.AddrPort // the asker
	at           time.Duration
	met          bool
	moved        bool // the asker has gone on from another socket
}

// pace is the generic cell rate algorithm for one peer.
type pace time.Duration

func (p *pace) allow(now, interval time.Duration, burst int) bool {
	due := max(time.Duration(*p), now)
	if due-now > time.Duration(burst-1)*interval {
		return false
	}
	*p = pace(due + interval)
	return true
}

// NewRendezvous returns one that knows nobody.
func NewRendezvous(cfg RendezvousConfig) *Rendezvous {
	r := &Rendezvous{
		cfg: cfg, parties: make(map[[8]byte]*party), byID: make(map[PeerKey]*party), attempts: make(map[AttemptID]*meeting),
	}
	rand.Read(r.secret[:])
	return r
}

// Join takes in a connection. Of a peer with several the newest is asked.
func (r *Rendezvous) Join(p Party) {
	new := &party{Party: p}
	new.Observed = new.Observed.Unmap().WithZone("")
	r.parties[p.Key.Tag], r.byID[p.ID] = new, new
}

// Leave forgets a connection.
func (r *Rendezvous) Leave(tag [8]byte) {
	p := r.parties[tag]
	if p == nil {
		return
	}
	delete(r.parties, tag)
	if r.byID[p.ID] == p {
		delete(r.byID, p.ID)
	}
}

// SetClass notes how a peer is connected.
func (r *Rendezvous) SetClass(tag [8]byte, c Class) {
	if p := r.parties[tag]; p != nil {
		p.Class = c
	}
}

// Stats returns the counters.
func (r *Rendezvous) Stats() RendezvousStats { return r.stats }

// Handle takes a datagram that IsRequest has recognised. reply, where it is not nil, goes back to from; it is
// shorter than the request.
func (r *Rendezvous) Handle(now time.Duration, b []byte, from netip.AddrPort) (relays []Relay, reply []byte) {
	r.expire(now)
	q, from := parseRequest(b), plain(from)
	p := r.parties[q.tag]
	switch {
	case p == nil:
		r.stats.Unknown++
		return nil, nil
	case !genuine(b, p.Key.Key):
		r.stats.Forged++
		return nil, nil
	case !p.window.take(q.counter):
		r.stats.Replayed++
		return nil, nil
	case !p.asks.allow(now, askInterval, askBurst):
		r.limited(p)
		return nil, nil
	}
	if q.class.known() {
		p.Class = q.class // newer than what the long connection has brought
	}
	if cookie := r.cookie(p, from, now/cookieTime); from.Addr() != p.Observed && q.cookie != cookie &&
		q.cookie != r.cookie(p, from, now/cookieTime-1) {
		r.stats.Cookies++
		return nil, encodeReply(q, p.Key.Key, cookie)
	}
	if m := r.attempts[q.attempt]; m != nil {
		return r.again(m, p, q, from), nil
	}
	return r.begin(now, p, q, from), nil
}

func (r *Rendezvous) limited(p *party) {
	r.stats.Limited++
	if !p.warned && r.cfg.OnLimit != nil {
		p.warned = true
		r.cfg.OnLimit(p.ID)
	}
}

// begin forwards a request of a new attempt (step 2).
func (r *Rendezvous) begin(now time.Duration, p *party, q request, from netip.AddrPort) []Relay {
	refuse := func(reason string) []Relay {
		r.stats.Refused++
		return []Relay{{To: p.Key.Tag, Kind: RelayRefused, Attempt: q.attempt, Peer: q.peer, Reason: reason}}
	}
	other := r.byID[q.peer]
	if other == nil || other == p {
		return refuse("The other peer is not connected to the tracker.")
	}
	if r.cfg.Allow != nil {
		if reason := r.cfg.Allow(p.ID, other.ID); reason != "" {
			return refuse(reason)
		}
	}
	if plan := Choose(p.Class, other.Class); plan.Method == MethodNone && !r.past(p, other) {
		return refuse(plan.Reason)
	}
	if len(r.attempts) >= maxAttempts || !other.wanted.allow(now, askInterval, askBurst) {
		r.stats.Limited++
		return nil
	}
	m := &meeting{id: q.attempt, asker: p.Key.Tag, other: other.Key.Tag, seen: from, at: now}
	r.attempts[m.id] = m
	r.begun = append(r.begun, m)
	r.stats.Forwarded++
	return []Relay{{To: m.other, Kind: RelayWanted, Attempt: m.id, Peer: p.ID, Seen: from, Class: p.Class}}
}

// past tells whether two may reach each other past their NATs.
func (r *Rendezvous) past(a, b *party) bool {
	return !a.Class.blocked() && !b.Class.blocked() && r.cfg.Near != nil && r.cfg.Near(a.ID, b.ID)
}

// again takes a further request of an attempt: the other's (step 4), one from another socket of the asker, or a
// repetition.
func (r *Rendezvous) again(m *meeting, p *party, q request, from netip.AddrPort) []Relay {
	asker := r.parties[m.asker]
	if m.met && !m.moved && p == asker && from != m.seen && r.parties[m.other] != nil {
		m.moved, m.seen = true, from
		return []Relay{{To: m.other, Kind: RelayGo, Attempt: m.id, Peer: p.ID, Seen: from, Class: p.Class}}
	}
	if m.met || p.Key.Tag != m.other || asker == nil || asker.ID != q.peer {
		r.stats.Repeated++
		return nil
	}
	m.met = true
	r.stats.Met++
	return []Relay{
		{To: m.asker, Kind: RelayGo, Attempt: m.id, Peer: p.ID, Seen: from, Class: p.Class},
		{To: m.other, Kind: RelayGo, Attempt: m.id, Peer: asker.ID, Seen: m.seen, Class: asker.Class},
	}
}

func (r *Rendezvous) expire(now time.Duration) {
	n := 0
	for n < len(r.begun) && now-r.begun[n].at >= attemptTime {
		delete(r.attempts, r.begun[n].id)
		n++
	}
	r.begun = r.begun[n:]
}

// cookie is what a peer has to show that asks from an address other than its connection's.
func (r *Rendezvous) cookie(p *party, from netip.AddrPort, epoch time.Duration) (c Cookie) {
	m := hmac.New(sha256.New, r.secret[:])
	m.Write(p.Key.Tag[:])
	addr := from.Addr().As16()
	m.Write(addr[:])
	m.Write(binary.BigEndian.AppendUint16(nil, from.Port()))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(epoch)))
	copy(c[:], m.Sum(nil))
	return c
}
