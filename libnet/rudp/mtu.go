// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import "time"

// pathMTU finds out how long the datagrams may be that a path carries in one direction: DPLPMTUD (RFC 8899), which asks
// the peer rather than believing ICMP. It has no timer: whoever sends asks whether a probe is due, so that a session
// that sends little has none. Sizes are of the UDP payload, bytes sent are those of messages.
type pathMTU struct {
	size int // of datagrams that get through
	most int // that is tried

	trying int    // size of the probes under way; zero: none
	token  uint64 // of all of that size: a late answer counts
	tries  int

	from  uint64        // bytes of messages that have been sent before there is a probe
	next  time.Time     // nothing is tried before
	pause time.Duration // after the next black hole

	rounds int       // in which datagrams longer than BaseDatagram were lost, since one arrived
	lostAt time.Time // of the last
}

// newPathMTU is for a path that has shown to carry BaseDatagram and nothing else.
func newPathMTU(most int, sent uint64) pathMTU {
	return pathMTU{size: BaseDatagram, most: most, from: sent + mtuWorth, pause: mtuPause}
}

// due tells whether probe has something to do.
func (m *pathMTU) due(sent uint64, now time.Time) bool {
	return m.size < m.most && sent >= m.from && !now.Before(m.next)
}

// probe says what is to be tried now; zero: nothing. The longest is first, since most paths carry it.
func (m *pathMTU) probe(sent uint64, now time.Time) (size int, token uint64) {
	switch {
	case m.trying == 0:
		m.trying = m.most
	case m.tries < mtuTries:
		m.tries++
		m.next = now.Add(mtuWait)
		return m.trying, m.token
	default:
		m.trying = m.shorter()
	}
	if m.trying == 0 {
		m.rest(mtuRaise, sent, now)
		return 0, 0
	}
	m.token, m.tries = newToken(), 1
	m.next = now.Add(mtuWait)
	return m.trying, m.token
}

// shorter is what to try when nothing answers; zero: what the path is known to carry is all.
func (m *pathMTU) shorter() int {
	for _, size := range mtuSizes {
		if size < m.trying && size > m.size {
			return size
		}
	}
	return 0
}

// rest ends a search; the next one begins that much later, if there is traffic that it is worth it for.
func (m *pathMTU) rest(d time.Duration, sent uint64, now time.Time) {
	m.trying, m.tries, m.rounds = 0, 0, 0
	m.from, m.next = sent+mtuWorth, now.Add(d)
}

// refused says that the system does not send the probe that it was to: it is too long for the first link already.
func (m *pathMTU) refused() { m.tries, m.next = mtuTries, time.Time{} }

// answered takes the token of a pong. It tells whether it was a probe's.
func (m *pathMTU) answered(token, sent uint64, now time.Time) bool {
	if m.trying == 0 || token != m.token {
		return false
	}
	m.size = m.trying
	m.rest(mtuRaise, sent, now)
	return true
}

// heard takes what has become of segments that only fit datagrams longer than BaseDatagram, and tells whether the path
// seems to swallow them: such are lost round trip after round trip, and none arrives. After a blackout of the whole path
// it is wrong; that costs a minute of shorter datagrams.
func (m *pathMTU) heard(arrived, lost bool, rtt time.Duration, now time.Time) bool {
	switch {
	case m.size == BaseDatagram:
		return false
	case arrived:
		m.rounds = 0
	case lost && (m.rounds == 0 || now.Sub(m.lostAt) >= rtt):
		m.rounds++
		m.lostAt = now
	}
	return m.rounds >= mtuRounds
}

// fallBack goes back to what every path carries.
func (m *pathMTU) fallBack(sent uint64, now time.Time) {
	m.size = BaseDatagram
	m.rest(m.pause, sent, now)
	m.pause = mtuRaise
}

// newMTU is what is known of the size of datagrams on the present path: nothing yet. The caller holds c.mu.
func (c *Conn) newMTU() pathMTU {
	most := c.ep.cfg.MaxDatagramSize
	if !c.path.Socket.sock.WritesWhole() {
		most = BaseDatagram
	}
	return newPathMTU(most, c.stats.BytesOut)
}

// discover sends the probe that is due, if any: a ping of the size to be tried, which the peer answers with a short pong.
// The caller holds c.mu.
func (c *Conn) discover(now time.Time) {
	if !c.mtu.due(c.stats.BytesOut, now) {
		return
	}
	size, token := c.mtu.probe(c.stats.BytesOut, now)
	if size == 0 {
		return
	}
	c.writeOut()
	b := make([]byte, size-tagLen, size)
	appendPing(b[:dataHeaderLen], framePing, token) // the rest is padding
	if c.path.Socket.writeWhole(c.sealNext(b), c.path.Addr) != nil {
		c.mtu.refused()
	}
}

// shrink takes it that the path no longer carries datagrams longer than BaseDatagram. Segments of that length that are
// under way are repeated in parts: see sendParts. The caller holds c.mu.
func (c *Conn) shrink(now time.Time) {
	if c.mtu.size > BaseDatagram {
		c.mtu.fallBack(c.stats.BytesOut, now)
		c.resize(now)
	}
}

// resize makes the datagrams from the next one on, and the segments of messages to come, as long as the path carries.
func (c *Conn) resize(now time.Time) {
	if c.mtu.size == c.size {
		return
	}
	if c.ep.observed() {
		c.tell(now, DatagramsResized{From: c.size, To: c.mtu.size})
	}
	c.size = c.mtu.size
	c.congest.SetDatagram(c.size)
	for _, ch := range c.channels {
		if ch.core != nil {
			ch.core.SetMaxPayload(payloadOf(c.size))
		}
	}
}
