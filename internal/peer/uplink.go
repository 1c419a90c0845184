// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"cmp"
	"time"

	"p2plive/internal/swarm"
	"p2plive/libnet/rudp"
)

// uplink estimates what a viewer's line carries to its children. A line shows
// what it carries only when it is asked for more: so the estimate begins low,
// grows as long as it is used and nothing waits, and becomes what was sent when
// something does. Nobody is sent anything for the sake of measuring.
type uplink struct {
	rate   float64 // bits a second that the line is taken to carry
	limit  int64   // set by the user; 0: none
	known  bool    // the line has been full once
	proved float64 // bits a second that it has carried since it was full last, or then
	told   int64   // the capacity that was told last

	waited int           // samples in a row in which data waited for the line
	queues int           // of them, those in which datagrams waited on their way
	full   int           // of them, the last ones in which no more was sent than before
	last   float64       // bits a second that the line carried in the last one
	most   float64       // the same, the most in two of these together
	used   float64       // bits a second of wire, a mean over a second
	other  float64       // the same that are not pieces: acknowledgements, control
	next   time.Duration // when the estimate may grow
	tried  bool          // it has grown since the line was full last
	pause  time.Duration // from the line being full to the next attempt
	filled time.Duration // when the line was full last
}

// load is what all sessions of a swarm did in an interval, in bytes.
type load struct {
	wire    int // sent, headers included
	pieces  int // of wire, with repetitions and parity segments: the machine leaves room for these itself
	arrived int // has left the line
	waiting int // could not be sent yet
	held    int // of wire, by sessions in which something was waiting
	queued  int // of held, by those whose datagrams wait on their way
}

// capacity returns what children may take, in bits a second. It stays as it is
// for small changes: each may cost a child its place.
func (u *uplink) capacity() int64 {
	c := max(int64((u.rate-u.other)/pieceCost), 1) // 0 would mean that nothing is known
	if u.limit > 0 {
		c = min(c, u.limit)
	}
	if d := float64(c - u.told); d < -smallChange*float64(u.told) || d > smallChange*float64(u.told) {
		u.told = c
	}
	return u.told
}

// line returns what the whole line is taken to carry, or may, in bits a second.
func (u *uplink) line() int64 {
	if u.limit > 0 {
		return min(int64(u.rate), u.limit)
	}
	return int64(u.rate)
}

// pace returns what may be sent, in bits a second; 0: as much as will go. It is
// a little more than the line is taken to carry, so that a faster one shows.
func (u *uplink) pace() int64 {
	if !u.known {
		return 0
	}
	return int64(pacedLine * u.rate)
}

// begin sets where the estimate begins, unless it has begun. stream is what the stream
// takes, in bits a second.
func (u *uplink) begin(stream int64) {
	if u.rate == 0 {
		u.rate = max(cmp.Or(startCopies*float64(stream), startUplink), leastUplink)
	}
}

// add takes what happened in the interval until now. tree is the rate of the
// stream's largest tree: what one child more takes.
func (u *uplink) add(now time.Duration, interval time.Duration, l load, tree int64) {
	bits := func(n int) float64 { return float64(n) * 8 / interval.Seconds() }
	wire, least := bits(l.wire), float64(tree)*startChildren
	u.used += (wire - u.used) * usedWeight
	// A slow receiver holds its own session up, a slow uplink most of them.
	waits := 2*l.held >= l.wire && float64(l.waiting) > max(minWaiting, wire/8*maxWait.Seconds())
	if !waits {
		u.waited = 0
		u.other += (bits(l.wire-l.pieces) - u.other) * otherWeight
		u.grow(now, wire, least)
		return
	}
	// What was sent may be in a queue that overflows: what has arrived is what the line carries.
	carried := bits(l.arrived + l.wire - l.pieces)
	if u.waited++; u.waited == 1 {
		u.last, u.most, u.full, u.queues = carried, 0, 1, 0
	}
	if 2*l.queued >= l.wire {
		u.queues++
	}
	if u.waited == 1 {
		return
	}
	// As long as it rises, it is sessions that still find out how fast they may go.
	mean := (u.last + carried) / 2 // acknowledgements come in lumps
	if u.full++; u.waited > 2 && mean > risingLine*u.most {
		u.full = 1
	}
	u.last, u.most = carried, max(u.most, mean)
	queued := 2*u.queues >= u.waited
	if u.waited < maxFullSamples && (u.full < fullSamples || !u.known && !queued) {
		return
	}
	u.waited = 0
	switch {
	case u.known && u.most > u.rate: // it carries more than was believed
		u.rate, u.proved = u.most, u.most
		return
	case !queued && (u.known || u.most < usedLine*u.rate):
		return // the line is free: they wait for who is slow, or for the pacer
	}
	if u.tried || u.pause == 0 {
		u.tried, u.pause = false, min(max(2*u.pause, minUplinkPause), maxUplinkPause)
	}
	if u.most > fasterLine*u.proved {
		u.pause = minUplinkPause // it was not the line that was full then
	}
	if u.known {
		// Sessions that have lost much carry less for a moment; it is seldom the line.
		u.most = max(u.most, slowerLine*u.proved)
	}
	u.rate, u.proved, u.known, u.filled = u.most, u.most, true, now
	if u.rate-u.other < weakLine*least {
		// Lines do not become so much faster. To try again would fill this one for a second, for nothing.
		u.pause = maxUplinkPause
	}
	u.next = now + u.pause
}

// grow lets the estimate rise where it is used. least is what it takes to feed
// one child.
func (u *uplink) grow(now time.Duration, wire, least float64) {
	switch {
	case now < u.next:
	case u.rate-u.other < least:
		// Not one child could be fed: nothing would ever show more.
		u.rate, u.next, u.tried = least+u.other, now+laterGrowthTime, true
	case !u.known && wire > usedUplink*u.rate:
		u.rate, u.next = firstGrowth*u.rate, now+firstGrowthTime
	case u.known && u.used+least > crampedUplink*u.rate:
		u.proved = max(u.proved, u.used) // and nothing waited
		// What the machine must be told to take one child more, and a little: what is used varies as the picture does.
		another := (u.used-u.other+least*pieceCost)*100/swarm.ChildShare + u.other
		if another > likelyLine*u.proved && now < u.filled+longUplinkPause {
			return
		}
		if another > u.rate {
			u.rate, u.next, u.tried = another, now+laterGrowthTime, true
			u.told = 0 // a child is a small change of a fast line
		}
	}
}

// measureUplink tells a viewer's machine what its line carries.
func (s *Swarm) measureUplink() {
	now := time.Since(s.start)
	interval := now - s.measured
	s.measured = now
	if s.catalog == nil || interval <= 0 {
		return
	}
	var l load
	for _, ss := range s.sessions {
		st := ss.conn.Stats()
		wire := int(st.WireOut - ss.seen.WireOut)
		l.wire += wire
		l.pieces += int(sealed * float64(st.Sent.Pieces()-ss.seen.Sent.Pieces()))
		l.arrived += int(sealed * float64(st.Arrived-ss.seen.Arrived))
		ss.seen = st
		waiting := max(st.SendQueue-st.InFlight, 0) * st.MTU
		l.waiting += waiting
		if waiting > 0 {
			l.held += wire
			if st.Queue > fullQueue {
				l.queued += wire
			}
		}
	}
	tree, stream := s.rates()
	s.uplink.add(now, interval, l, tree)
	// A line that is narrower upwards than what comes down has better uses for
	// its uplink than to acknowledge each datagram.
	thrift := rudp.NoThrift
	switch line := s.uplink.line(); {
	case line < stream/narrowLine:
		thrift = rudp.VeryThrifty
	case line < stream:
		thrift = rudp.Thrifty
	}
	s.host.endpoint.SetThrift(thrift)
	s.host.endpoint.SetLine(s.uplink.pace() / 8)
	s.tellUplink()
}

// beginUplink tells the machine where the estimate begins. It is told so before it can
// take a child: to take one and send it away at the first measurement costs that one more.
func (s *Swarm) beginUplink() {
	_, stream := s.rates()
	s.uplink.begin(stream)
	s.tellUplink()
}

func (s *Swarm) tellUplink() {
	s.handle(swarm.Capacity{Uplink: s.uplink.capacity(), Open: !s.uplink.known && s.uplink.limit == 0})
}

// rates returns what the stream's largest tree and what all of it takes, in bits a second.
func (s *Swarm) rates() (tree, stream int64) {
	for _, t := range s.catalog.Tracks {
		tree = max(tree, int64(t.Bitrate)/int64(max(t.Substreams, 1)))
		stream += int64(t.Bitrate)
	}
	return tree, stream
}
