// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"cmp"
	"time"
)

// hear takes a datagram of the peer. Everything that is not authentic or has come before is dropped, whoever
// it is from: only the peer can have made it, and only once.
func (p *Puncher) hear(e PunchHeard) {
	d, ok := openProbe(e.Data, p.recv)
	if !ok || d.attempt != p.cfg.Attempt {
		p.stats.Forged++
		return
	}
	if !p.seen.take(d.number) {
		p.stats.Replayed++
		return
	}
	at := place{e.Socket, plain(e.From)}
	if d.kind == kindProbe {
		p.answer(at, d)
		return
	}
	f, ok := p.flights[d.echo]
	if !ok || f.target.place != at {
		return // an answer from elsewhere proves nothing
	}
	f.target.proved = true
	p.succeed(f.target, p.now-f.at)
}

// answer answers a probe to where it came from, once, and asks back there.
func (p *Puncher) answer(at place, d probe) {
	if p.number >= maxNumber {
		return
	}
	t := p.targets[at]
	if t == nil {
		if p.heard >= maxHeard {
			return
		}
		p.heard++
		t = p.target(at, heardCandidate)
	}
	p.stats.Answered++
	p.number++
	p.adopt(at.socket)
	p.transmit(at, probe{kind: kindAnswer, number: p.number, echo: d.number}, 0)
	if !t.proved {
		p.probe(planned{at: p.now, to: at, as: t.kind})
	}
}

// adopt keeps a further socket, of which a few at most are of use.
func (p *Puncher) adopt(socket int) {
	if socket != 0 && !p.adopted[socket] && len(p.adopted) < maxHeard {
		p.adopted[socket] = true
		p.emit(Adopt{Socket: socket})
	}
}

// succeed takes a path that has carried a probe and its answer.
func (p *Puncher) succeed(t *target, rtt time.Duration) {
	path := PunchPath{Socket: t.socket, Addr: t.addr, Word: p.word(t), Method: cmp.Or(p.plan.Method, MethodProbe), RTT: rtt}
	path.Reason = p.reason(path.Word)
	if p.found != nil && path.Word.rank() >= p.found.Word.rank() {
		return
	}
	if p.found == nil {
		p.foundAt, p.state, p.request = p.now, punchFound, 0
		// The asker may still wait for our answers.
		p.ends = max(p.now+improveTime, p.went+probeTime)
		if p.cfg.Asker {
			p.ends = p.now + improveTime
		}
	}
	p.found = &path
	p.adopt(t.socket)
	p.emit(PathFound{path})
}

// word says how a target is reached.
func (p *Puncher) word(t *target) Word {
	switch {
	case isLAN(t.addr.Addr()):
		return WordLAN
	case t.kind == MappedCandidate:
		return WordMapped
	case p.plan.Method == MethodPredict || p.plan.Method == MethodBirthday:
		return WordPredicted
	case p.cfg.Own.reachable() || p.remote.Class.reachable():
		return WordDirect
	}
	return WordPunched
}

// reason says why a path is not better than it is.
func (p *Puncher) reason(w Word) string {
	switch {
	case w == WordPredicted && p.plan.Hard:
		return "The NAT here is symmetric (NAT4), so its port had to be guessed."
	case w == WordPredicted:
		return "The other peer's NAT is symmetric (NAT4), so its port had to be guessed."
	case w == WordPunched:
		return "Neither side can be reached unasked: here is " + p.cfg.Own.name() + ", there is " + p.remote.Class.name() + "."
	}
	return ""
}
