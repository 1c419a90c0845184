// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// PunchConfig is what an attempt of two peers to reach each other needs.
type PunchConfig struct {
	Secret     []byte // X25519 of our private and the peer's public key
	Self, Peer PeerKey
	Attempt    AttemptID
	Asker      bool // we want the connection; we will open the session on the path
	Own        Class

	// CanTTL says that SendProbe.TTL is honoured. Without, the side that was asked sends nothing before
	// both know of each other.
	CanTTL bool
	// Spend asks for leave to send one more probe to an address that has not answered; nil: always.
	Spend func(to netip.Addr) bool
	Seed  uint64 // of the ports that the birthday method tries
}

// Candidate is an address where a peer may be reached.
type Candidate struct {
	Addr netip.AddrPort
	Kind CandidateKind
}

// CandidateKind is how an address is known.
type CandidateKind uint8

// Kinds of candidates, best first.
const (
	HostCandidate   CandidateKind = iota // of an interface
	MappedCandidate                      // a router was asked for it (PCP, NAT-PMP, UPnP)
	SeenCandidate                        // a server sees the socket there
	heardCandidate                       // a probe came from there
	guessCandidate                       // a port that a symmetric NAT may have chosen
)

// Remote is what is known of the other peer.
type Remote struct {
	Seen       netip.AddrPort // where the tracker has just seen it
	Candidates []Candidate    // further ones
	Class      Class
}

// PunchEvent is what happens to a Puncher: one of the types below.
type PunchEvent interface{ punchEvent() }

type (
	// PunchStart begins an attempt for the asker.
	PunchStart struct{}
	// PunchWanted begins it for the other: the asker is known, and does not know us yet.
	PunchWanted struct{ Remote Remote }
	// PunchGo comes to both at about the same time: both are known.
	PunchGo struct{ Remote Remote }
	// PunchRefused ends it: the tracker says why in one sentence.
	PunchRefused struct{ Reason string }
	// PunchHeard is a datagram that ProbeAttempt has recognised. Socket 0 is the sessions' own, others are
	// those of OpenSockets.
	PunchHeard struct {
		Socket int
		From   netip.AddrPort
		Data   []byte
	}
	// PunchSockets tells how many of the sockets that OpenSockets wanted are open: 1 to N.
	PunchSockets struct{ N int }
	// PunchTick is for the time that Wake asked for.
	PunchTick struct{}
)

func (PunchStart) punchEvent()   {}
func (PunchWanted) punchEvent()  {}
func (PunchGo) punchEvent()      {}
func (PunchRefused) punchEvent() {}
func (PunchHeard) punchEvent()   {}
func (PunchSockets) punchEvent() {}
func (PunchTick) punchEvent()    {}

// PunchCommand is what a Puncher wants done, in order: one of the types below.
type PunchCommand interface{ punchCommand() }

type (
	// SendProbe sends a datagram from a socket. A TTL that is not 0 is the datagram's time to live; where
	// it cannot be set the datagram must not be sent.
	SendProbe struct {
		Socket int
		To     netip.AddrPort
		Data   []byte
		TTL    int
	}
	// SendRequest sends a connection request to the tracker's UDP port from a socket; Fresh: from a new one
	// of its own, so that the tracker sees the port that the NAT gives at this moment.
	SendRequest struct {
		Socket int
		Fresh  bool
	}
	// OpenSockets opens N further sockets on any port; PunchSockets follows.
	OpenSockets struct{ N int }
	// Adopt says that a further socket may carry the session: the peer will dial, or is dialled, there.
	Adopt struct{ Socket int }
	// PathFound tells of the first path that works, and of each better one after it.
	PathFound struct{ Path PunchPath }
	// PunchOver is the last command. Reason is empty where a path was found, otherwise one sentence. All
	// further sockets that are not adopted can be closed.
	PunchOver struct{ Reason string }
	// Wake asks for a PunchTick.
	Wake struct{ At time.Duration }
)

func (SendProbe) punchCommand()   {}
func (SendRequest) punchCommand() {}
func (OpenSockets) punchCommand() {}
func (Adopt) punchCommand()       {}
func (PathFound) punchCommand()   {}
func (PunchOver) punchCommand()   {}
func (Wake) punchCommand()        {}

// PunchPath is a way to the peer that has carried a probe and its answer.
type PunchPath struct {
	Socket int
	Addr   netip.AddrPort
	Word   Word
	Method Method
	Reason string // one sentence: why it is not better; empty where it could hardly be
	RTT    time.Duration
}

// PunchStats counts what an attempt has sent and refused to take.
type PunchStats struct {
	Sent     int // probes, to addresses that had not answered
	Answered int // probes of the peer
	Replayed int // dropped: a number that has come before
	Forged   int // dropped: not authentic
}

// Puncher is one attempt of two peers to reach each other through their NATs: a machine without sockets,
// goroutines and clock. Both peers run one.
//
// The order of the first datagrams matters. Linux's masquerade without a rule that drops what comes unasked
// remembers a datagram that comes before its host has sent to the sender, as a connection of the router's own,
// and then gives the host another port towards that sender: a cone NAT turns into a symmetric one for this
// pair. So the side that was asked first opens its own NAT by datagrams whose time to live ends before the
// other's router, and leaves it to the asker to send the first one that comes through. Where nothing comes through all
// the same, because a router remembers something from before, the asker goes on from another socket.
type Puncher struct {
	cfg        PunchConfig
	send, recv []byte // keys
	rng        *rand.Rand
	stats      PunchStats
	now        time.Duration
	out        []PunchCommand

	state   punchState
	began   time.Duration
	went    time.Duration // when both were known
	ends    time.Duration // the state does
	request time.Duration // when the next one is due; 0: never again
	afresh  time.Duration // when another socket is tried; 0: not at all
	base    int           // the socket that is used
	remote  Remote
	plan    Plan
	opened  bool // openings were sent

	number   uint32
	flights  map[uint32]flight
	seen     numbers
	targets  map[place]*target
	heard    int // targets that were not known before
	schedule schedule
	found    *PunchPath
	foundAt  time.Duration
	adopted  map[int]bool
}

type punchState uint8

const (
	punchNew    punchState = iota
	punchAsking            // the asker does not know the other yet
	punchWanted            // the asker does not know us yet
	punchTrying            // both are known
	punchFound             // looking for something better
	punchOver
)

// place is one of our sockets and an address.
type place struct {
	socket int
	addr   netip.AddrPort
}

// target is a place that probes go to.
type target struct {
	place
	kind   CandidateKind
	probes int
	proved bool
}

type flight struct {
	target *target
	at     time.Duration
}

// NewPuncher returns an attempt that begins with PunchStart or PunchWanted.
func NewPuncher(cfg PunchConfig) *Puncher {
	return &Puncher{
		cfg:     cfg,
		send:    probeKey(cfg.Secret, cfg.Attempt, cfg.Self, cfg.Peer),
		recv:    probeKey(cfg.Secret, cfg.Attempt, cfg.Peer, cfg.Self),
		rng:     rand.New(rand.NewPCG(cfg.Seed, 0)),
		flights: make(map[uint32]flight),
		targets: make(map[place]*target),
		adopted: make(map[int]bool),
	}
}

// Stats returns the counters.
func (p *Puncher) Stats() PunchStats { return p.stats }

// Handle takes an event and returns what is to be done. Times are since any moment, and never go back.
func (p *Puncher) Handle(now time.Duration, ev PunchEvent) []PunchCommand {
	p.now, p.out = now, nil
	if p.state == punchOver {
		return nil
	}
	switch e := ev.(type) {
	case PunchStart:
		p.start()
	case PunchWanted:
		p.wanted(e.Remote)
	case PunchGo:
		p.goes(e.Remote)
	case PunchRefused:
		if p.state != punchFound {
			p.over(e.Reason)
		}
	case PunchHeard:
		p.hear(e)
	case PunchSockets:
		p.useSockets(e.N)
	}
	p.advance()
	return p.out
}

func (p *Puncher) emit(c PunchCommand) { p.out = append(p.out, c) }

func (p *Puncher) start() {
	if p.state != punchNew {
		return
	}
	p.state, p.began, p.ends = punchAsking, p.now, p.now+requestTime
	if p.cfg.Own.Type == TypeBlocked {
		p.over(Choose(p.cfg.Own, Class{}).Reason)
		return
	}
	p.ask()
}

// ask sends a connection request, and notes when to repeat it.
func (p *Puncher) ask() {
	p.request = p.now + requestEvery
	p.emit(SendRequest{Socket: p.base, Fresh: p.samples()})
}

// wanted is step 3 and 4 of the flow: the asker is tried as far as that does no harm, and our own request sent.
func (p *Puncher) wanted(r Remote) {
	if p.state != punchNew {
		return
	}
	p.state, p.began, p.ends = punchWanted, p.now, p.now+requestTime
	p.know(r)
	if p.plan.Method == MethodNone {
		p.over(p.plan.Reason)
		return
	}
	if p.samples() {
		p.ask()
		p.open() // by the port after the one that the tracker sees
		return
	}
	p.open()
	p.sendDue() // before the request: the asker's first datagram may follow it at once
	p.ask()
}

// samples tells whether requests come from new sockets, so that the tracker sees the port that the NAT gives now.
func (p *Puncher) samples() bool {
	return p.cfg.Own.Type == TypeNAT4 && p.cfg.Own.Allocation == Sequential
}

// goes is step 5: both try each other.
func (p *Puncher) goes(r Remote) {
	if p.state == punchTrying && p.found == nil && r.Seen != p.remote.Seen {
		p.moved(r)
		return
	}
	if p.state != punchAsking && p.state != punchWanted {
		return
	}
	p.state, p.went, p.request = punchTrying, p.now, 0
	p.know(r)
	switch p.plan.Method {
	case MethodNone:
		p.over(p.plan.Reason)
		return
	case MethodPredict:
		p.ends = p.now + predictTime
	case MethodBirthday:
		p.ends = p.now + birthdayTime
	default:
		p.ends = p.now + probeTime
		if p.cfg.Asker {
			p.afresh = p.now + afreshAfter
		}
	}
	p.try()
}

// know takes what is known of the other.
func (p *Puncher) know(r Remote) {
	r.Candidates = r.Candidates[:min(len(r.Candidates), maxCandidates)]
	p.remote = r
	p.plan = Choose(p.cfg.Own, r.Class).past(p.cfg.Own, r)
}

// advance does what is due, and says when something will be.
func (p *Puncher) advance() {
	if p.state == punchOver || p.state == punchNew {
		return
	}
	if p.request > 0 && p.now >= p.request {
		p.ask()
		if p.state == punchTrying { // from another socket: once again will do
			p.request = 0
		}
	}
	p.sendDue()
	if p.afresh > 0 && p.now >= p.afresh {
		p.afresh = 0
		if p.state == punchTrying && p.heard == 0 {
			p.emit(OpenSockets{N: 1})
		}
	}
	if p.now >= p.ends {
		p.over(p.failure())
		return
	}
	next := p.ends
	if p.request > 0 {
		next = min(next, p.request)
	}
	if p.afresh > 0 {
		next = min(next, p.afresh)
	}
	if at, ok := p.schedule.next(); ok {
		next = min(next, at)
	}
	p.emit(Wake{At: next})
}

// sendDue sends the probes whose time has come.
func (p *Puncher) sendDue() {
	for _, s := range p.schedule.due(p.now) {
		p.probe(s)
	}
}

func (p *Puncher) over(reason string) {
	p.state = punchOver
	p.schedule = nil
	p.emit(PunchOver{Reason: reason})
}

// failure says why there is no path; empty: there is one.
func (p *Puncher) failure() string {
	switch {
	case p.found != nil:
		return ""
	case p.state == punchAsking:
		return "The other peer has not answered by way of the tracker."
	case p.state == punchWanted:
		return "The tracker's UDP port does not answer."
	}
	switch p.plan.Method {
	case MethodPredict:
		return "The port that a symmetric NAT (NAT4) would choose was not the predicted one."
	case MethodBirthday:
		return "No probe met an open port of the symmetric NAT (NAT4)."
	}
	return "No probe came through between " + p.cfg.Own.name() + " and " + p.remote.Class.name() + "."
}

func (c Class) name() string {
	switch c.Type {
	case "", TypeUnknown:
		return "an unknown NAT"
	case TypeOpen:
		return "an open host"
	case TypeFirewall:
		return "a firewall"
	}
	return "a " + string(c.Type)
}
