// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// String names the state in dumps.
func (s connState) String() string {
	switch s {
	case stateNew:
		return "new"
	case stateDialing:
		return "dialing"
	case stateHalfOpen:
		return "half-open"
	case stateOpen:
		return "open"
	case stateClosing:
		return "closing"
	}
	return "closed"
}

// Dump writes what the endpoint is doing as text, for a person who looks for a fault: a line for the endpoint, then one
// for each session, the oldest first. Each is made of words "name=value"; a channel's value is what waits there, in
// segments sent or not (out), and in messages' bytes that were never sent (unsent). The format may change.
//
// Each session is locked for a moment of its own, so lines are true one by one, not together. No lock is held while w
// is written to.
func (e *Endpoint) Dump(w io.Writer) error {
	now := time.Now()
	s := e.Stats()
	_, err := fmt.Fprintf(w, "endpoint=%v addr=%v sessions=%d halfopen=%d in=%d out=%d bytesin=%d bytesout=%d writeerrors=%d "+
		"malformed=%d unauthentic=%d replayed=%d limited=%d gso=%t gro=%t uplink=%.0f\n",
		e.id, e.LocalAddr(), s.Sessions, s.HalfOpen, s.DatagramsIn, s.DatagramsOut, s.BytesIn, s.BytesOut, s.WriteErrors,
		s.Malformed, s.Unauthentic, s.Replayed, s.HandshakesLimited, s.GSO, s.GRO, e.Uplink())
	if err != nil {
		return err
	}
	e.mu.RLock()
	conns := slices.Collect(maps.Values(e.conns))
	e.mu.RUnlock()
	slices.SortFunc(conns, func(a, b *Conn) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.local, b.local))
	})
	var line bytes.Buffer
	for _, c := range conns {
		line.Reset()
		c.dump(&line, now)
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// dump writes the session's line.
func (c *Conn) dump(b *bytes.Buffer, now time.Time) {
	s := c.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	share := 0.0
	if s.SegmentsOut > 0 {
		share = 100 * float64(s.Retransmits) / float64(s.SegmentsOut)
	}
	fmt.Fprintf(b, "session=%v state=%v peer=%v addr=%v age=%v silent=%v rtt=%v minrtt=%v window=%d inflight=%d "+
		"sent=%d again=%d(%.1f%%) parities=%d found=%d mtu=%d loss=%.2f%% timeouts=%d expired=%d skipped=%d moves=%d epoch=%d",
		c.ID(), c.state, c.peer, c.path.Addr, round(now.Sub(c.created)), round(now.Sub(c.lastRecv)), round(s.RTT), round(s.MinRTT),
		c.congest.Window(), c.bytesInFlight(), s.SegmentsOut, s.Retransmits, share, s.Parities, s.Recovered, s.MTU, 100*c.congest.Estimates().Loss,
		s.Timeouts, s.Expired, s.Skipped, s.Moves, c.sealed>>epochBits)
	for _, id := range slices.Sorted(maps.Keys(c.channels)) {
		ch := c.channels[id]
		if ch.core == nil {
			continue
		}
		fmt.Fprintf(b, " channel%d=out:%d,unsent:%d", id, ch.core.Waiting(), ch.core.Unsent())
	}
	if c.err != nil {
		fmt.Fprintf(b, " cause=%q", c.err)
	}
	b.WriteByte('\n')
}

// round leaves as many digits as somebody reads.
func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}
