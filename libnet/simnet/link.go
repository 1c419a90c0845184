// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"fmt"
	"time"
)

// Link is one direction of a line. The zero value passes everything at once.
//
// Delay and Jitter are at most an hour, Rate at most 1 Tbit/s, Queue at most 512 MiB.
type Link struct {
	Delay time.Duration // propagation delay, the least a datagram takes

	// Jitter is the most that is added to Delay, drawn uniformly for each datagram. Unless
	// Reorder is set, a datagram waits for the ones before it, as behind one another in a queue.
	Jitter  time.Duration
	Reorder bool // datagrams with less jitter overtake others

	// Loss is the share of datagrams lost, 0 to 1, independently of each other and after
	// they have used their share of Rate.
	Loss      float64
	Duplicate float64 // the share of datagrams that arrive twice, 0 to 1

	Rate int64 // bits per second; 0: unlimited

	// Queue is how many bytes may wait for the wire, the datagram being sent not counted. A
	// datagram that does not fit is dropped (drop-tail). It has no effect without a Rate.
	// 0: 100 ms at Rate, at least 32 KiB.
	Queue int

	// Overhead is added to each datagram's payload, in bytes, where Rate and Queue count
	// it: 28 for IPv4 and UDP headers, 48 for IPv6. 0: the payload alone is counted.
	Overhead int
}

// Validate tells what is wrong with l, nil if nothing.
func (l Link) Validate() error {
	switch {
	case l.Delay < 0 || l.Delay > maxTime:
		return fmt.Errorf("simnet: link delay %v is not between 0 and %v", l.Delay, maxTime)
	case l.Jitter < 0 || l.Jitter > maxTime:
		return fmt.Errorf("simnet: link jitter %v is not between 0 and %v", l.Jitter, maxTime)
	case !(l.Loss >= 0 && l.Loss <= 1):
		return fmt.Errorf("simnet: link loss %v is not between 0 and 1", l.Loss)
	case !(l.Duplicate >= 0 && l.Duplicate <= 1):
		return fmt.Errorf("simnet: link duplication %v is not between 0 and 1", l.Duplicate)
	case l.Rate < 0 || l.Rate > maxRate:
		return fmt.Errorf("simnet: link rate %d bit/s is not between 0 and %d", l.Rate, maxRate)
	case l.Queue < 0 || l.Queue > maxQueue:
		return fmt.Errorf("simnet: link queue of %d bytes is not between 0 and %d", l.Queue, maxQueue)
	case l.Overhead < 0 || l.Overhead > maxDatagram:
		return fmt.Errorf("simnet: link overhead of %d bytes is not between 0 and %d", l.Overhead, maxDatagram)
	}
	return nil
}

// size is what p counts on the wire, at least a byte: nothing passes for free.
func (l Link) size(p *packet) int {
	return max(len(p.payload)+l.Overhead, 1)
}

// sendingTime is how long the wire is busy with size bytes, rounded up to a nanosecond.
func (l Link) sendingTime(size int) time.Duration {
	bits := int64(size) * 8
	return time.Duration((bits*int64(time.Second) + l.Rate - 1) / l.Rate)
}

func (l Link) queueLimit() int {
	if l.Queue > 0 {
		return l.Queue
	}
	atRate := l.Rate / 8 * int64(defaultQueueTime/time.Millisecond) / 1000
	return int(min(max(atRate, minDefaultQueue), maxQueue))
}

// link is a Link at work. The network's mutex guards it.
type link struct {
	net   *Network
	conf  Link
	seed  uint64
	owner *Host // whose counters the drops go to; nil: the sender's
	out   func(p *packet, at time.Duration)

	queue       fifo // waiting for the wire
	queued      int  // bytes in queue
	sending     bool
	lastArrival time.Duration
}

// set changes the link. What waits goes on at the new rate; what is on its way keeps its time.
func (l *link) set(conf Link) {
	l.conf = conf
	l.lastArrival = 0 // with a shorter delay, new datagrams may overtake what is on its way
	l.queued = 0
	for _, p := range l.queue.waiting() {
		l.queued += conf.size(p)
	}
}

// send puts p into the link at a moment.
func (l *link) send(p *packet, at time.Duration) {
	switch {
	case !l.sending && l.conf.Rate == 0:
		l.propagate(p, at)
	case !l.sending:
		l.transmit(p, at)
	case l.queued+l.conf.size(p) > l.conf.queueLimit():
		l.stats(p).QueueDrops++
		l.net.drop(p)
	default:
		l.queued += l.conf.size(p)
		l.queue.push(p)
	}
}

func (l *link) transmit(p *packet, at time.Duration) {
	l.sending = true
	end := at
	if l.conf.Rate > 0 { // the limit may have been lifted while p waited
		end += l.conf.sendingTime(l.conf.size(p))
	}
	l.net.schedule(event{at: end, link: l, p: p, kind: departs})
}

// departed is called when the last bit of p is on the wire.
func (l *link) departed(p *packet, at time.Duration) {
	l.sending = false
	l.propagate(p, at)
	if next := l.queue.pop(); next != nil {
		l.queued -= l.conf.size(next)
		l.transmit(next, at)
	}
}

// propagate decides what happens to p on the wire. Draws are taken in a fixed order, whether
// needed or not, so that one setting does not shift the draws of another.
func (l *link) propagate(p *packet, at time.Duration) {
	d := draws(mix(l.seed, p.draw))
	lost := d.hit(l.conf.Loss)
	jitter := d.upTo(l.conf.Jitter)
	twice := d.hit(l.conf.Duplicate)
	again := d.upTo(l.conf.Jitter)
	if lost {
		l.stats(p).Lost++
		l.net.drop(p)
		return
	}
	var copied *packet
	if twice {
		l.stats(p).Duplicated++
		l.net.inFlight++
		copied = p.duplicate() // before p arrives: it may be gone then
	}
	l.arriveAfter(p, at, jitter)
	if copied != nil {
		l.arriveAfter(copied, at, again)
	}
}

func (l *link) arriveAfter(p *packet, at, jitter time.Duration) {
	arrival := at + l.conf.Delay + jitter
	if !l.conf.Reorder {
		arrival = max(arrival, l.lastArrival)
		l.lastArrival = arrival
	}
	if arrival == at {
		l.out(p, at)
		return
	}
	l.net.schedule(event{at: arrival, link: l, p: p, kind: arrives})
}

func (l *link) stats(p *packet) *Stats {
	if l.owner != nil {
		return &l.owner.stats
	}
	return &p.origin.stats
}
