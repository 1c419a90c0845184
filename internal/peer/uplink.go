// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"time"

	"p2plive/internal/swarm"
)

// uplink estimates what a viewer's line carries to its children. A line shows
// what it carries only when it is asked for more: so the estimate begins low,
// grows as long as it is used and nothing waits, and becomes what was sent when
// something does. Nobody is sent anything for the sake of measuring.
type uplink struct {
	rate  float64 // bits a second that the line is taken to carry
	limit int64   // set by the user; 0: none
	known bool    // the line has been full once
	told  int64   // the capacity that was told last

	full  int           // samples in a row in which data waited for the line
	sent  float64       // bits a second of wire, the most in one of these
	other float64       // bits a second of wire that are not media: acknowledgements, control
	next  time.Duration // when the estimate may grow
	pause time.Duration // from the line being full to the next attempt
}

// load is what all sessions of a swarm did in an interval, in bytes.
type load struct {
	wire    int // sent, headers included
	media   int // payload given to be sent
	waiting int // could not be sent yet
	held    int // of wire, by sessions in which something was waiting
}

// capacity returns what children may take, in bits a second. It stays as it is
// for small changes: each may cost a child its place.
func (u *uplink) capacity() int64 {
	c := max(int64(u.rate-u.other), 1) // 0 would mean that nothing is known
	if u.limit > 0 {
		c = min(c, u.limit)
	}
	if d := float64(c - u.told); d < -smallChange*float64(u.told) || d > smallChange*float64(u.told) {
		u.told = c
	}
	return u.told
}

// add takes what happened in the interval until now. tree is the rate of the
// stream's largest tree: what one child more takes.
func (u *uplink) add(now time.Duration, interval time.Duration, l load, tree int64) {
	bits := func(n int) float64 { return float64(n) * 8 / interval.Seconds() }
	wire := bits(l.wire)
	// A slow receiver holds its own session up, a slow uplink most of them.
	waits := 2*l.held >= l.wire && float64(l.waiting) > max(minWaiting, wire/8*maxWait.Seconds())
	if !waits {
		u.full = 0
		u.other += (max(wire-headers*bits(l.media), 0) - u.other) * otherWeight
		u.grow(now, wire, tree)
		return
	}
	u.full++
	if u.full == 1 {
		u.sent = 0
	}
	u.sent = max(u.sent, wire)
	if u.full < fullSamples {
		return
	}
	u.full = 0
	if u.known && u.sent > u.rate {
		return // it carries more than was believed
	}
	u.rate, u.known = u.sent, true
	u.pause = min(max(2*u.pause, minUplinkPause), maxUplinkPause)
	u.next = now + u.pause
}

// grow lets the estimate rise where it is used.
func (u *uplink) grow(now time.Duration, wire float64, tree int64) {
	if u.rate == 0 {
		u.rate = startUplink
	}
	least := float64(tree) * startChildren
	switch {
	case now < u.next:
	case u.rate-u.other < least:
		// Not one child could be fed: nothing would ever show more.
		u.rate, u.next = least+u.other, now+laterGrowthTime
	case wire > usedUplink*u.rate:
		if !u.known {
			u.rate, u.next = firstGrowth*u.rate, now+firstGrowthTime
			return
		}
		u.rate, u.next = laterGrowth*u.rate, now+laterGrowthTime
		u.pause = max(u.pause/2, minUplinkPause/2)
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
		wire, media := int(st.WireOut-ss.wireSeen), int(ss.mediaOut-ss.mediaSeen)
		ss.wireSeen, ss.mediaSeen = st.WireOut, ss.mediaOut
		waiting := max(st.SendQueue-st.InFlight, 0) * st.MTU
		l.wire, l.media, l.waiting = l.wire+wire, l.media+media, l.waiting+waiting
		if waiting > 0 {
			l.held += wire
		}
	}
	var tree int64
	for _, t := range s.catalog.Tracks {
		tree = max(tree, int64(t.Bitrate)/int64(max(t.Substreams, 1)))
	}
	s.uplink.add(now, interval, l, tree)
	s.handle(swarm.Capacity{Uplink: s.uplink.capacity()})
}
