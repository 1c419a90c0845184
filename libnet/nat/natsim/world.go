// SPDX-License-Identifier: GPL-3.0-or-later

package natsim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"p2plive/libnet/nat"
	"p2plive/libnet/simnet"
)

const (
	// oneWay is half of the round trip time between any two hosts, half of it on each of their lines.
	oneWay = 20 * time.Millisecond
	// loss is that of datagrams in each direction.
	loss = 0.01
	// resend is how much later a lost segment of a long connection (TCP) arrives.
	resend = 250 * time.Millisecond
	// newFlows is how often somebody else behind a peer's NAT makes a new mapping.
	newFlows = 500 * time.Millisecond
	// patience ends a run in which nothing is decided.
	patience = 20 * time.Second

	trackerPort = 3478
	peerPort    = 7100
)

var trackerAddr = netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), trackerPort)

// Config of a run.
type Config struct {
	Asker, Other Kind
	Seed         uint64
	NoTTL        bool // sockets cannot set the time to live
	Spoiled      bool // both have sent to each other before, at different times
	Elsewhere    bool // the long connections come from other addresses than datagrams do
}

// Outcome is what came of a run.
type Outcome struct {
	OK     bool
	Path   nat.PunchPath // as the asker has it
	Time   time.Duration // from the wish to connect to the session's first answer, or to giving up
	Reason string        // one sentence, if not OK
	Probes int           // of both, to addresses that had not answered
	Most   int           // of those, to one address
}

// world is one run.
type world struct {
	net     *simnet.Network
	rng     *rand.Rand
	tracker *simnet.Conn
	meet    *nat.Rendezvous
	peers   [2]*peer // the asker first
	letters []letter // over long connections, on their way
	outcome *Outcome
	err     error
}

// letter is something that happens at a time.
type letter struct {
	at time.Duration
	do func()
}

// Run lets the asker connect to the other.
func Run(cfg Config) (Outcome, error) {
	w := &world{
		net: simnet.NewStepped(cfg.Seed), rng: rand.New(rand.NewPCG(cfg.Seed, 1)),
		meet: nat.NewRendezvous(nat.RendezvousConfig{}),
	}
	defer w.net.Close()
	host, err := w.net.Host(trackerAddr.Addr(), w.line(), w.line())
	if err != nil {
		return Outcome{}, err
	}
	if w.tracker, err = listen(host, trackerPort); err != nil {
		return Outcome{}, err
	}
	for i, kind := range [...]Kind{cfg.Asker, cfg.Other} {
		if w.peers[i], err = newPeer(w, i, kind, !cfg.NoTTL, cfg.Elsewhere); err != nil {
			return Outcome{}, err
		}
	}
	for i, p := range w.peers {
		p.other = w.peers[1-i]
		p.greet()
	}
	if cfg.Spoiled {
		for i, p := range w.peers {
			w.after(time.Duration(i+1)*300*time.Millisecond, func() { p.spoil() })
		}
	}
	w.after(time.Second, func() { w.peers[0].begin(w.attempt(), true, nat.PunchStart{}) })
	w.loop()
	return *w.outcome, w.err
}

// line is an access line.
func (w *world) line() simnet.Link { return simnet.Link{Delay: oneWay / 2, Loss: loss / 2} }

func listen(h *simnet.Host, port uint16) (*simnet.Conn, error) {
	pc, err := h.ListenPacket(port)
	if err != nil {
		return nil, err
	}
	return pc.(*simnet.Conn), nil
}

func (w *world) attempt() (id nat.AttemptID) {
	for i := range id {
		id[i] = byte(w.rng.Uint32())
	}
	return id
}

func (w *world) after(d time.Duration, do func()) {
	w.letters = append(w.letters, letter{w.net.Now() + d, do})
}

// tell sends a message over a long connection.
func (w *world) tell(do func()) {
	d := oneWay
	if w.rng.Float64() < loss {
		d += resend
	}
	w.after(d, do)
}

func (w *world) loop() {
	for w.outcome == nil && w.err == nil {
		at, ok := w.next()
		if !ok || at > patience {
			w.err = fmt.Errorf("nothing was decided in %v", patience)
			w.outcome = new(Outcome)
			return
		}
		w.net.Advance(at)
		w.deliver()
	}
	if w.outcome == nil {
		w.outcome = new(Outcome)
	}
}

// next is when something happens.
func (w *world) next() (time.Duration, bool) {
	at, ok := w.net.Next()
	sooner := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, l := range w.letters {
		sooner(l.at)
	}
	for _, p := range w.peers {
		if p.wake > 0 {
			sooner(p.wake)
		}
	}
	return at, ok
}

// deliver does what is due.
func (w *world) deliver() {
	now := w.net.Now()
	var buf [1500]byte
	for n, from, ok := w.tracker.TryRead(buf[:]); ok; n, from, ok = w.tracker.TryRead(buf[:]) {
		w.request(buf[:n], from)
	}
	for _, p := range w.peers {
		p.read(buf[:])
	}
	pending := w.letters
	w.letters = nil
	for _, l := range pending {
		if l.at <= now {
			l.do()
		} else {
			w.letters = append(w.letters, l)
		}
	}
	for _, p := range w.peers {
		if p.wake > 0 && p.wake <= now {
			p.wake = 0
			p.handle(nat.PunchTick{})
		}
	}
}

// request is the tracker's UDP port.
func (w *world) request(b []byte, from netip.AddrPort) {
	if !nat.IsRequest(b) {
		return
	}
	relays, reply := w.meet.Handle(w.net.Now(), b, from)
	if reply != nil {
		w.tracker.WriteToUDPAddrPort(reply, from)
	}
	for _, r := range relays {
		for _, p := range w.peers {
			if p.key.Tag == r.To {
				w.tell(func() { p.relay(r) })
			}
		}
	}
}
