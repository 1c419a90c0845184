// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"math"
	"sync"
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/rudp/internal/cc"
)

// pacing deals the endpoint's uplink among its sessions. Data leaves on the read loop where acknowledgements have
// made room for it, otherwise on a goroutine of its own; what must not wait (acknowledgements, probes, pings) leaves on the
// goroutine that caused it.
type pacing struct {
	wake    chan struct{} // a session has something to send
	sending sync.Mutex    // held by the one who sends as the pacer grants it; no other lock is held when it is taken

	mu    sync.Mutex // may be taken while holding a Conn's mu, never the other way round
	pacer *cc.Pacer
	clock time.Duration
}

func newPacing(now time.Duration) *pacing {
	return &pacing{wake: make(chan struct{}, 1), pacer: cc.NewPacer(now), clock: now}
}

// never is as good as no timer at all.
const never = time.Hour

// grant is what a session may send.
type grant struct {
	conn  *Conn
	class cc.Class
	bytes int
}

// at is the pacer's time: events come from goroutines that have looked at the clock earlier.
func (p *pacing) at(now time.Duration) time.Duration {
	p.clock = max(p.clock, now)
	return p.clock
}

// next gives the next grant, or says how long there will be none. The caller holds p.mu.
func (p *pacing) next(now time.Duration) (grant, time.Duration) {
	at := p.at(now)
	if s, class, n := p.pacer.Next(at); s != nil {
		return grant{s.Owner.(*Conn), class, n}, 0
	}
	deadline, ok := p.pacer.NextDeadline(at)
	if !ok {
		return grant{}, never
	}
	return grant{}, max(deadline-at, time.Microsecond)
}

// charge counts bytes that were sent without asking.
func (p *pacing) charge(now time.Duration, bytes int) {
	p.mu.Lock()
	p.pacer.Charge(p.at(now), bytes)
	p.mu.Unlock()
}

// SetUploadLimit bounds what the endpoint sends, in bytes per second with all headers of this protocol; zero
// lifts the bound. Acknowledgements count, but never wait.
func (e *Endpoint) SetUploadLimit(bytesPerSecond int64) {
	e.pacing.mu.Lock()
	e.pacing.pacer.SetUploadLimit(e.pacing.at(e.since(time.Now())), float64(bytesPerSecond))
	e.pacing.mu.Unlock()
	signal(e.pacing.wake)
}

// SetLine says what the line is taken to carry upwards, in bytes per second with all headers of this protocol; zero:
// that is not known. As with SetUploadLimit no more is sent, so that what is too much waits where what is urgent goes first,
// and not in a queue of the line. When there is one nevertheless, all sessions see it: the endpoint as a whole sends less until
// it is gone, and no session makes its window smaller for it (RFC 3124 has this idea). Nor is any of the line
// spent on parity segments: one that is known has been full.
func (e *Endpoint) SetLine(bytesPerSecond int64) {
	e.scarce.Store(bytesPerSecond > 0)
	e.pacing.mu.Lock()
	e.pacing.pacer.SetLine(e.pacing.at(e.since(time.Now())), float64(bytesPerSecond))
	e.pacing.mu.Unlock()
	signal(e.pacing.wake)
}

// SetUploadBudget bounds how many bytes the endpoint still sends; when they are used up, only acknowledgements
// leave. A negative number lifts the bound.
func (e *Endpoint) SetUploadBudget(bytes int64) {
	e.pacing.mu.Lock()
	e.pacing.pacer.SetBudget(bytes)
	e.pacing.mu.Unlock()
	signal(e.pacing.wake)
}

// Thrift is how seldom an endpoint acknowledges what comes. It is for lines whose uplink is narrow beside what comes
// down: the peers' congestion control has fewer samples for it, and what two losses at a time take away comes a repetition
// later.
type Thrift uint32

const (
	// NoThrift acknowledges at once whatever a peer may be waiting to hear.
	NoThrift = Thrift(arq.NoThrift)
	// Thrifty lets what comes in the midst of messages wait for their ends, up to half of a round trip: with losses
	// acknowledgements are 8% of what comes without it, and 1% so.
	Thrifty = Thrift(arq.Thrifty)
	// VeryThrifty lets ends wait too, up to a round trip: for lines that many short messages take half of.
	VeryThrifty = Thrift(arq.VeryThrifty)
)

// SetThrift says how seldom the endpoint acknowledges from now on. Gaps are told at once in any case.
func (e *Endpoint) SetThrift(t Thrift) { e.thrift.Store(uint32(t)) }

// Uplink estimates what the line carries, in bytes per second: the most that was delivered in 10 s. It is too low
// as long as there has never been more to send; zero before there is an estimate.
func (e *Endpoint) Uplink() float64 {
	e.pacing.mu.Lock()
	defer e.pacing.mu.Unlock()
	return e.pacing.pacer.Uplink()
}

// since is the time since the Unix epoch by the monotonic clock.
func (e *Endpoint) since(now time.Time) time.Duration { return e.epoch + now.Sub(e.start) }

// sendLoop sends data as the pacer grants it, until the endpoint is closed.
func (e *Endpoint) sendLoop() {
	p := e.pacing
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p.sending.Lock()
		wait := e.send(math.MaxInt)
		p.sending.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-e.done:
			return
		}
	}
}

// sendSome sends on the read loop, for each wake-up of another goroutine that is spared counts: acknowledgements that come
// meanwhile are taken together. Others wait there to be read, so it leaves what is much to sendLoop, and what must wait.
func (e *Endpoint) sendSome() {
	p := e.pacing
	if !p.sending.TryLock() {
		signal(p.wake)
		return
	}
	wait := e.send(maxInline)
	p.sending.Unlock()
	if wait < never {
		signal(p.wake)
	}
}

// send sends up to a number of bytes and a batch, and says how long there will be nothing more to send. The caller holds
// pacing.sending.
func (e *Endpoint) send(limit int) time.Duration {
	p := e.pacing
	p.mu.Lock()
	g, wait := p.next(e.since(time.Now()))
	p.mu.Unlock()
	for g.conn != nil && limit > 0 {
		var sent int
		g, wait, sent = g.conn.use(g, time.Now())
		limit -= sent
	}
	return wait
}

// use sends what was granted, and goes on as long as the next grants are for the same session, so that all
// leaves as one batch. It gives the first grant for another one, or how long there will be none, and what was sent.
func (c *Conn) use(g grant, now time.Time) (next grant, wait time.Duration, total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.ep.pacing
	for {
		sent := 0
		if c.state == stateOpen {
			sent = c.fill(now, g.class, g.bytes)
		}
		p.mu.Lock()
		p.pacer.Sent(p.at(c.at(now)), &c.place, g.class, sent)
		spent := noClass
		if sent == 0 {
			spent = g.class // could not use the grant
		}
		c.demand(now, spent)
		next, wait = p.next(c.clock)
		p.mu.Unlock()
		// Others wait for the session's lock: those who send, and the read loop.
		if total += sent; next.conn != c || total >= maxHold {
			if c.state == stateOpen {
				c.writeOut()
				if c.ep.observed() {
					c.tellExpired(now)
				}
				c.arm()
			}
			return next, wait, total
		}
		g = next
	}
}

// offer tells the pacer what the session could send, and the caller if that is news: otherwise somebody is about to send it
// already. The caller holds c.mu.
func (c *Conn) offer(now time.Time) bool {
	if len(c.active) == 0 {
		return false
	}
	p := c.ep.pacing
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at(c.at(now))
	before := c.wanted
	c.demand(now, noClass)
	return c.wanted && !before
}

// noClass is no class at all.
const noClass = cc.Class(255)

// demand sets what the pacer knows of the session. For the class spent it asks for nothing until something has changed.
// The caller holds c.mu and pacing.mu.
func (c *Conn) demand(now time.Time, spent cc.Class) {
	var bytes [Background + 1]int
	var oldest [Background + 1]uint64
	inFlight := c.bytesInFlight()
	if c.state == stateOpen && c.congest.CanSend(inFlight) {
		t := c.ticks(now)
		room := max(c.congest.Window()-inFlight, BaseDatagram)
		for _, ch := range c.active {
			if cc.Class(ch.class) != spent && ch.core.Ready(t) {
				if number := ch.core.Oldest(); bytes[ch.class] == 0 || number < oldest[ch.class] {
					oldest[ch.class] = number
				}
				bytes[ch.class] += max(1, min(ch.core.Sendable(), room))
			}
		}
	}
	// A burst of less than a first window needs no pacing of its own.
	rate := 0.0
	if inFlight >= initialWindow {
		rate = c.congest.PacingRate()
	}
	pacer := c.ep.pacing.pacer
	pacer.SetRate(&c.place, rate)
	c.wanted = false
	for class, n := range bytes {
		pacer.SetDemand(&c.place, cc.Class(class), n, oldest[class])
		c.wanted = c.wanted || n > 0
	}
}

// leave takes the session out of the pacer.
func (c *Conn) leave() {
	p := c.ep.pacing
	p.mu.Lock()
	p.pacer.Remove(&c.place)
	p.mu.Unlock()
}

// fill packs data of the channels of a class, up to a number of bytes, and gives how many it were. The caller
// holds c.mu.
func (c *Conn) fill(now time.Time, class cc.Class, limit int) (sent int) {
	t := c.ticks(now)
	inFlight := c.bytesInFlight()
	for sent < limit && c.congest.CanSend(inFlight) {
		ch := c.turn(t, Class(class))
		if ch == nil {
			break
		}
		// Several segments in a turn: messages of several channels are not cut up needlessly.
		took := 0
		for took < quantum && sent+took < limit && ch.core.Ready(t) && c.congest.CanSend(inFlight) {
			before := ch.core.BytesInFlight()
			n := c.out.send(c, ch, t)
			if n == 0 {
				break
			}
			inFlight += ch.core.BytesInFlight() - before
			took += n
		}
		if took == 0 {
			break
		}
		sent += took
		ch.spent += uint64(took) * maxWeight / uint64(ch.level.weight())
	}
	if sent > 0 {
		c.congest.OnSent(c.clock, sent, inFlight)
	}
	return sent
}

// turn gives the channel of a class that may send next: the one that has had least for its weight.
func (c *Conn) turn(t arq.Time, class Class) *Channel {
	var next *Channel
	for _, ch := range c.active {
		if ch.class == class && (next == nil || ch.spent < next.spent) && ch.core.Ready(t) {
			next = ch
		}
	}
	return next
}
