// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// planned is a probe that will be sent.
type planned struct {
	at  time.Duration
	to  place
	as  CandidateKind
	ttl int
}

// schedule has what is planned, earliest first.
type schedule []planned

func (s *schedule) add(more ...planned) {
	*s = append(*s, more...)
	slices.SortStableFunc(*s, func(a, b planned) int { return cmp.Compare(a.at, b.at) })
}

// due takes out what is due.
func (s *schedule) due(now time.Duration) []planned {
	n := 0
	for n < len(*s) && (*s)[n].at <= now {
		n++
	}
	due := (*s)[:n:n]
	*s = (*s)[n:]
	return due
}

func (s schedule) next() (time.Duration, bool) {
	if len(s) == 0 {
		return 0, false
	}
	return s[0].at, true
}

// rounds are when a candidate is probed: the second one is for the loss of the first, the others for jitter
// and for a peer that begins later.
var rounds = []time.Duration{
	0, 30 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 350 * time.Millisecond,
	550 * time.Millisecond, 850 * time.Millisecond, 1200 * time.Millisecond, 1600 * time.Millisecond,
}

// open sends what does no harm before the asker knows of us.
func (p *Puncher) open() {
	if p.plan.Hard && p.plan.HardPeer {
		return // each datagram to another address would shift the ports that the asker predicts
	}
	var ready, shut []Candidate
	for _, c := range p.candidates() {
		if p.remote.Class.reachable() || isLAN(c.Addr.Addr()) || c.Kind == MappedCandidate {
			ready = append(ready, c)
		} else {
			shut = append(shut, c)
		}
	}
	if p.cfg.CanTTL && !p.cfg.Own.reachable() && p.plan.Method != MethodBirthday {
		p.opened = true
		if p.plan.Method == MethodPredict && p.plan.HardPeer {
			shut = p.guesses()
		}
		p.volley(p.now, []time.Duration{0, 30 * time.Millisecond}, openTTL, shut)
	}
	p.volley(p.now+probeGap, rounds[:4], 0, ready)
}

// try sends the probes of the plan.
func (p *Puncher) try() {
	at := p.now
	if p.waits() {
		at += openGrace
	}
	switch {
	case p.plan.Method == MethodPredict && p.plan.HardPeer:
		if !p.plan.Hard {
			p.volley(at, []time.Duration{0}, 0, p.candidates())
		}
		for r := range time.Duration(predictRounds) {
			p.volley(at+r*predictPause, []time.Duration{0}, 0, p.guesses())
		}
	case p.plan.Method == MethodBirthday && p.plan.Hard:
		p.volley(at, rounds, 0, p.candidates())
		p.emit(OpenSockets{N: birthdaySockets})
	case p.plan.Method == MethodBirthday:
		p.volley(at, rounds, 0, p.candidates())
		p.birthday(at + birthdayWait)
	default:
		p.volley(at, rounds, 0, p.candidates())
	}
}

// waits tells whether the asker's probes come through without ours, so that ours can wait for them. They do not
// where only our symmetric NAT knows the port that they would have to go to.
func (p *Puncher) waits() bool {
	if p.cfg.Asker || p.remote.Class.reachable() || p.plan.Hard && p.plan.Method == MethodProbe {
		return false
	}
	return p.opened || p.cfg.Own.reachable()
}

// candidates of the other, the best first; where we are symmetric, the one that the other predicts a port for.
func (p *Puncher) candidates() []Candidate {
	list := slices.Clone(p.remote.Candidates)
	list = slices.DeleteFunc(list, func(c Candidate) bool { return !c.Addr.IsValid() || c.Addr.Port() == 0 })
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(a.Kind, b.Kind) })
	if p.remote.Seen.IsValid() {
		at := len(list)
		if p.plan.Hard && p.plan.Method == MethodPredict {
			at = 0
		}
		list = slices.Insert(list, at, Candidate{Addr: p.remote.Seen, Kind: SeenCandidate})
	}
	var unique []Candidate
	for _, c := range list {
		if !slices.ContainsFunc(unique, func(u Candidate) bool { return u.Addr == c.Addr }) {
			unique = append(unique, c)
		}
	}
	return unique
}

// guesses are the ports that the other's NAT may give, the likeliest first: those after the one last seen,
// and a few before it, for a request that came late.
func (p *Puncher) guesses() []Candidate {
	step, seen := p.remote.Class.Step, int(p.remote.Seen.Port())
	if p.remote.Class.Allocation == Preserving || step == 0 {
		step = 1
	}
	var list []Candidate
	add := func(k int) {
		if port := seen + k*step; port > 0 && port < 1<<16 {
			list = append(list, Candidate{netip.AddrPortFrom(p.remote.Seen.Addr(), uint16(port)), guessCandidate})
		}
	}
	if p.plan.Hard { // both are: the k-th of ours has to meet the k-th of theirs
		for k := 1; k <= predictAhead; k++ {
			add(k)
		}
		return list
	}
	if p.remote.Class.Allocation == Preserving {
		add(0)
	}
	for k := 1; k <= predictAhead; k++ {
		add(k)
		if k%2 == 0 && k/2 <= predictBehind {
			add(-k / 2)
		}
	}
	return list
}

// volley plans probes to all addresses at each of the times.
func (p *Puncher) volley(from time.Duration, times []time.Duration, ttl int, to []Candidate) {
	var list []planned
	for _, t := range times {
		for i, c := range to {
			list = append(list, planned{
				at: from + t + time.Duration(i)*probeGap, to: place{p.base, c.Addr}, as: c.Kind, ttl: ttl,
			})
		}
	}
	p.schedule.add(list...)
}

// birthday plans probes to random ports of the other's NAT.
func (p *Puncher) birthday(from time.Duration) {
	const first, size = 1024, 1<<16 - 1024
	taken := make(map[int]bool, birthdayProbes)
	list := make([]planned, 0, birthdayProbes)
	for len(list) < birthdayProbes {
		port := first + p.rng.IntN(size)
		if taken[port] {
			continue
		}
		taken[port] = true
		list = append(list, planned{
			at: from + time.Duration(len(list))*time.Second/birthdayRate,
			to: place{0, netip.AddrPortFrom(p.remote.Seen.Addr(), uint16(port))}, as: guessCandidate,
		})
	}
	p.schedule.add(list...)
}

// useSockets goes on with our further sockets.
func (p *Puncher) useSockets(n int) {
	switch {
	case p.state != punchTrying || n == 0:
	case p.plan.Method == MethodBirthday:
		p.openBirthday(n)
	default:
		p.goAfresh()
	}
}

// goAfresh goes on from another socket: no router remembers anything about its port. The other hears of it by the
// tracker, and sends at once, for we have opened our NAT by then.
func (p *Puncher) goAfresh() {
	p.base, p.schedule = 1, nil
	if p.cfg.CanTTL {
		p.volley(p.now, []time.Duration{0}, openTTL, p.candidates())
		p.sendDue()
	}
	p.ask()
	p.ends = p.now + probeTime
	p.volley(p.now+openGrace, rounds, 0, p.candidates())
}

// moved goes on with the asker's other socket.
func (p *Puncher) moved(r Remote) {
	p.know(r)
	p.ends, p.schedule = p.now+probeTime, nil
	p.volley(p.now, rounds, 0, p.candidates())
}

// openBirthday opens the NAT from each of our further sockets.
func (p *Puncher) openBirthday(n int) {
	ttl := 0
	if p.cfg.CanTTL {
		ttl = openTTL
	}
	list := make([]planned, 0, n)
	for i := range min(n, birthdaySockets) {
		list = append(list, planned{
			at: p.now + time.Duration(i)*time.Second/birthdayOpening,
			to: place{i + 1, p.remote.Seen}, as: SeenCandidate, ttl: ttl,
		})
	}
	p.schedule.add(list...)
}

// probe sends what was planned, within the bounds.
func (p *Puncher) probe(s planned) {
	t := p.target(s.to, s.as)
	switch {
	case t.proved, t.probes >= maxProbesPerAddr, p.number >= maxNumber/2: // the other half is for answers
		return
	case p.found != nil && p.word(t).rank() >= p.found.Word.rank():
		return
	case p.cfg.Spend != nil && !p.cfg.Spend(t.addr.Addr()):
		return
	}
	t.probes++
	p.stats.Sent++
	p.number++
	p.flights[p.number] = flight{t, p.now}
	p.transmit(t.place, probe{kind: kindProbe, number: p.number}, s.ttl)
}

func (p *Puncher) target(at place, kind CandidateKind) *target {
	t := p.targets[at]
	if t == nil {
		t = &target{place: at, kind: kind}
		p.targets[at] = t
	}
	return t
}

func (p *Puncher) transmit(to place, d probe, ttl int) {
	d.attempt = p.cfg.Attempt
	p.emit(SendProbe{Socket: to.socket, To: to.addr, Data: d.encode(p.send), TTL: ttl})
}

// isLAN is whether an address means something in its own network alone.
func isLAN(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}
