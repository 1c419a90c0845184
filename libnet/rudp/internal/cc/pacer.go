// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"math"
	"time"
)

// Class says what data is for. A class goes before all later ones, except that the last three are never
// starved: see classShares.
type Class uint8

const (
	Control    Class = iota // acknowledgements, pings, handshakes: never held back by the rate
	Rescue                  // what a peer needs within its deadline
	Newest                  // the live stream
	Repair                  // what was asked for again
	Background              // what can wait
	numClasses = 5
)

// Pacer deals one host's uplink among its sessions. Sessions say what they have, Next says who may send.
type Pacer struct {
	limit  float64 // bytes per second; 0: none
	line   float64 // the same, what the line is taken to carry; 0: not known
	tokens float64 // may be negative: a debt
	filled time.Duration
	budget int64 // bytes left

	classes [numClasses]class
	held    sessionHeap // sessions with demand whose own pacing makes them wait
	uplink  uplink
}

// class is a ring of the sessions that have something of one class and may send.
type class struct {
	head     *Session // whose turn it is
	sessions int
	owed     float64 // bytes of its least share that other classes took
}

// Session is one session's place in a Pacer. The zero value is ready; it must not be copied while in use.
type Session struct {
	Owner any // for the caller

	rate   float64       // bytes per second; 0: no pacing of its own
	at     time.Duration // when that lets it send again
	index  int           // in Pacer.held, plus one; 0: not in it
	queues [numClasses]queue
}

type queue struct {
	demand     int // bytes
	oldest     uint64
	deficit    int
	prev, next *Session // nil: not in the ring
}

// NewPacer gives a pacer without limit and budget.
func NewPacer(now time.Duration) *Pacer {
	p := &Pacer{budget: math.MaxInt64, filled: now, tokens: minBurst}
	p.uplink.since, p.uplink.filter.since = now, now
	return p
}

// SetUploadLimit bounds what the host sends, in bytes per second; 0 lifts the limit.
func (p *Pacer) SetUploadLimit(now time.Duration, rate float64) {
	p.fill(now)
	p.limit = max(rate, 0)
}

// SetLine says what the host's line is taken to carry, in bytes per second; 0: that is not known. What is more waits here,
// where what is urgent goes first and sessions see no queue, rather than in the line's queue.
func (p *Pacer) SetLine(now time.Duration, rate float64) {
	p.fill(now)
	p.line = max(rate, 0)
}

// SetBudget bounds how many bytes the host still sends. When they are used up, only the class Control is
// served. A negative number lifts the bound.
func (p *Pacer) SetBudget(bytes int64) {
	if bytes < 0 {
		bytes = math.MaxInt64
	}
	p.budget = bytes
}

// Budget is how many bytes are left, math.MaxInt64 without a bound.
func (p *Pacer) Budget() int64 { return max(p.budget, 0) }

// SetDemand says how many bytes of a class the session could send now, as far as its window lets it, and the number of
// the oldest message that they belong to: on a line that is known, older messages go before newer ones.
func (p *Pacer) SetDemand(s *Session, c Class, bytes int, oldest uint64) {
	q := &s.queues[c]
	if q.demand = max(bytes, 0); q.oldest != oldest {
		q.oldest = oldest
		if p.line > 0 {
			p.leave(s, c) // for another place
		}
	}
	switch {
	case q.demand == 0:
		p.leave(s, c)
		p.settle(s)
	case s.index != 0: // joins the rings later
	case s.at > p.filled:
		p.held.push(s)
	default:
		p.enlist(s, c)
	}
}

// SetRate sets the session's own pacing in bytes per second: its controller's. 0 is none.
func (p *Pacer) SetRate(s *Session, rate float64) { s.rate = rate }

// Remove takes a session out that has ended.
func (p *Pacer) Remove(s *Session) {
	for c := range s.queues {
		p.SetDemand(s, Class(c), 0, 0)
	}
}

// Next says which session may send how many bytes of which class, nil when there is none at this moment. The
// session sends packets as long as they are less than that together, so that the last one may go beyond it,
// and the caller tells by Sent how many bytes it was.
func (p *Pacer) Next(now time.Duration) (*Session, Class, int) {
	p.fill(now)
	p.release(now)
	if p.classes[Control].head != nil && (p.tokens <= 0 || p.budget <= 0) {
		return p.grant(Control)
	}
	if p.tokens <= 0 || p.budget <= 0 {
		return nil, 0, 0
	}
	c, ok := p.pick()
	if !ok {
		return nil, 0, 0
	}
	return p.grant(c)
}

// Sent tells what the session of the last Next has sent. Less than granted means that it has no more of that
// class, until SetDemand is called again.
func (p *Pacer) Sent(now time.Duration, s *Session, c Class, bytes int) {
	p.Charge(now, bytes)
	q := &s.queues[c]
	short := bytes < min(q.demand, q.deficit)
	q.deficit -= bytes
	q.demand = max(q.demand-bytes, 0)
	p.account(c, bytes)
	switch {
	case q.demand == 0 || short:
		q.demand, q.deficit = 0, 0
		p.leave(s, c)
	case q.deficit <= 0 && p.classes[c].head == s && p.line == 0:
		p.classes[c].head = q.next
	}
	if s.rate > 0 {
		earliest := now - pacingSlack
		s.at = max(s.at, earliest) + time.Duration(float64(bytes)/s.rate*float64(time.Second))
	}
	if s.at > now {
		p.hold(s)
	}
	p.settle(s)
}

// Charge counts bytes that were sent without asking, such as handshakes.
func (p *Pacer) Charge(now time.Duration, bytes int) {
	p.fill(now)
	p.tokens -= float64(bytes)
	if p.budget != math.MaxInt64 {
		p.budget -= int64(bytes)
	}
}

// NextDeadline is when Next will have something, if nothing else happens before; false: never.
func (p *Pacer) NextDeadline(now time.Duration) (time.Duration, bool) {
	p.fill(now)
	at, ok := time.Duration(math.MaxInt64), false
	if len(p.held) > 0 {
		at, ok = p.held[0].at, true
	}
	ready := false
	for c := range p.classes {
		ready = ready || p.classes[c].head != nil && (p.budget > 0 || Class(c) == Control)
	}
	if ready {
		wait := time.Duration(0)
		if rate := p.Rate(); p.tokens <= 0 && rate > 0 && p.classes[Control].head == nil {
			wait = time.Duration((1-p.tokens)/rate*float64(time.Second)) + 1
			if p.uplink.bound() > 0 {
				wait = min(wait, minUplinkInterval) // by then there may be another bound, or none
			}
		}
		at, ok = min(at, now+wait), true
	}
	return at, ok
}

// Rate is what the host sends at most, in bytes per second; 0: no bound is known.
func (p *Pacer) Rate() float64 {
	rate := p.uplink.bound()
	for _, bound := range [...]float64{p.limit, p.line, p.uplink.drain(p.line)} {
		if bound > 0 && (rate == 0 || bound < rate) {
			rate = bound
		}
	}
	return rate
}

// fill lets time add tokens. The bucket holds what passes within maxBurst, so that a sender that wakes up late
// catches up.
func (p *Pacer) fill(now time.Duration) {
	elapsed := now - p.filled
	p.filled = now
	p.uplink.advance(now)
	rate := p.Rate()
	if rate == 0 {
		p.tokens = minBurst
		return
	}
	depth := max(rate*maxBurst.Seconds(), minBurst)
	p.tokens = min(p.tokens+rate*elapsed.Seconds(), depth)
}

// release lets sessions whose pacing has let time pass join the rings.
func (p *Pacer) release(now time.Duration) {
	for len(p.held) > 0 && p.held[0].at <= now {
		s := p.held.pop()
		for c := range s.queues {
			if s.queues[c].demand > 0 {
				p.enlist(s, Class(c))
			}
		}
	}
}

// hold takes a session out of the rings until its time.
func (p *Pacer) hold(s *Session) {
	for c := range s.queues {
		p.leave(s, Class(c))
	}
	p.held.push(s)
}

// settle forgets a session that has nothing to send.
func (p *Pacer) settle(s *Session) {
	for c := range s.queues {
		if s.queues[c].demand > 0 {
			return
		}
	}
	if s.index != 0 {
		p.held.remove(s)
	}
}
