// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"fmt"
	"net/netip"
	"time"
)

// SessionID names a session in the events and dumps of one endpoint. It is the connection id that stands in clear in
// the datagrams to this endpoint, so that a capture of packets can be read beside them.
type SessionID uint64

func (id SessionID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// Event is something that has happened, for debugging and measuring, as qlog has it: when, to whom, what. See
// Config.OnEvent.
type Event struct {
	Time    time.Time
	Session SessionID // zero: of the endpoint
	Peer    PeerID    // zero: not known
	Data    EventData
}

// EventData is one of the types below.
type EventData interface {
	// EventName is the event's name in logs: lower case, words joined by underscores.
	EventName() string
}

// SessionUp: both sides have shown that they hold their keys.
type SessionUp struct {
	Addr   netip.AddrPort
	Dialed bool          // by this endpoint
	Took   time.Duration // since Dial, or since the peer's initiation came
}

// SessionDown: a session that was up has ended.
type SessionDown struct {
	Cause error // what Conn.Err gives
}

// HandshakeFailed: a session never came up.
type HandshakeFailed struct {
	Addr  netip.AddrPort
	Cause error
}

// HandshakeRetried: an initiation was sent again.
type HandshakeRetried struct {
	Addr   netip.AddrPort
	Cookie bool // because the responder asked for a cookie; else no response came in time
}

// HandshakeLimited: initiations of others were not answered with a handshake. It comes at most ten times a second, with
// what happened since the last one.
type HandshakeLimited struct {
	From    netip.AddrPort // of the newest
	Dropped int            // by a rate limit, or because the responder is behind
	Asked   int            // to show that they receive at their address
}

// LossDetected: datagrams of a session are held to be lost. Judged once for all that came together.
type LossDetected struct {
	Bytes    int  // of segments
	Spurious int  // bytes that were held to be lost, and have turned out not to be
	Timeout  bool // nothing at all was acknowledged in time
}

// WindowChanged: what a session may have in flight has changed by an eighth or more since the last such event.
type WindowChanged struct {
	Bytes    int
	InFlight int
	RTT      time.Duration // smoothed
	Queue    time.Duration // estimated delay in the path's queues
}

// Rekeyed: a direction goes on with its next key.
type Rekeyed struct {
	Sending bool   // else receiving
	Epoch   uint64 // keys before this one
}

// PathChanged: the peer has shown that it receives by another path, and gets everything there from now on. The
// addresses are the same where another socket of ours is what has changed.
type PathChanged struct {
	From, To netip.AddrPort
}

// DatagramsResized: from now on datagrams may have another length, in bytes of UDP payload. Longer: the path has shown to
// carry them. Shorter: it is another path, or no longer does.
type DatagramsResized struct {
	From, To int
}

// QueueExpired: messages have left a send queue at their deadline, unsent.
type QueueExpired struct {
	Channel  ChannelID
	Messages int
}

func (SessionUp) EventName() string        { return "session_up" }
func (SessionDown) EventName() string      { return "session_down" }
func (HandshakeFailed) EventName() string  { return "handshake_failed" }
func (HandshakeRetried) EventName() string { return "handshake_retried" }
func (HandshakeLimited) EventName() string { return "handshake_limited" }
func (LossDetected) EventName() string     { return "loss_detected" }
func (WindowChanged) EventName() string    { return "window_changed" }
func (Rekeyed) EventName() string          { return "rekeyed" }
func (PathChanged) EventName() string      { return "path_changed" }
func (DatagramsResized) EventName() string { return "datagrams_resized" }
func (QueueExpired) EventName() string     { return "queue_expired" }

// limitedInterval bounds how often a flood of initiations makes an event: the flood must not become one of events.
const limitedInterval = 100 * time.Millisecond

// observed tells whether there is anybody to tell. Callers ask before they make an event, so that nobody costs nothing.
func (e *Endpoint) observed() bool { return e.cfg.OnEvent != nil }

// tell reports an event of the session. The caller holds c.mu.
func (c *Conn) tell(now time.Time, d EventData) {
	c.ep.cfg.OnEvent(Event{Time: now, Session: c.ID(), Peer: c.peer, Data: d})
}

// observation is what the events of a session need to know of those before.
type observation struct {
	up      bool
	window  int
	expired map[ChannelID]uint64
}

// tellUp reports that the session is open. The caller holds c.mu.
func (c *Conn) tellUp(now time.Time, dialed bool) {
	c.observation.up, c.observation.window = true, c.congest.Window()
	c.tell(now, SessionUp{Addr: c.path.Addr, Dialed: dialed, Took: now.Sub(c.created)})
}

// tellEnd reports the end of the session, or of the attempt at one. The caller holds c.mu.
func (c *Conn) tellEnd(cause error) {
	if c.observation.up {
		c.tell(time.Now(), SessionDown{Cause: cause})
	} else {
		c.tell(time.Now(), HandshakeFailed{Addr: c.path.Addr, Cause: cause})
	}
}

// tellWindow reports a window that is not what it was. The caller holds c.mu.
func (c *Conn) tellWindow(now time.Time) {
	window, told := c.congest.Window(), c.observation.window
	if change := window - told; max(change, -change)*8 < told {
		return
	}
	c.observation.window = window
	c.tell(now, WindowChanged{
		Bytes: window, InFlight: c.bytesInFlight(),
		RTT: duration(c.rtt.Smoothed()), Queue: c.congest.Estimates().Queue,
	})
}

// tellExpired reports messages that have left their queues since it was called before. The caller holds c.mu.
func (c *Conn) tellExpired(now time.Time) {
	for _, ch := range c.active {
		total := ch.core.Stats().Expired
		told := c.observation.expired[ch.id]
		if total == told {
			continue
		}
		if c.observation.expired == nil {
			c.observation.expired = make(map[ChannelID]uint64)
		}
		c.observation.expired[ch.id] = total
		c.tell(now, QueueExpired{Channel: ch.id, Messages: int(total - told)})
	}
}

// tellLimited counts an initiation that got no handshake, and reports those since the last report.
// The caller holds e.gate.mu.
func (e *Endpoint) tellLimited(from netip.AddrPort, asked bool, now time.Time) {
	if !e.observed() {
		return
	}
	g := &e.gate
	if asked {
		g.limited.Asked++
	} else {
		g.limited.Dropped++
	}
	if now.Sub(g.limitedAt) < limitedInterval {
		return
	}
	g.limited.From = from
	e.cfg.OnEvent(Event{Time: now, Data: g.limited})
	g.limited, g.limitedAt = HandshakeLimited{}, now
}
