// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import "sync/atomic"

// Time is microseconds since an epoch of the caller's choosing, above zero; zero means never or none.
type Time int64

// Level says how eagerly a conversation repeats what is not acknowledged.
type Level uint8

const (
	Normal Level = iota
	Fast
	Slow
)

// granularity is the least that a timeout is above the round trip: what schedulers and acknowledgements may
// take on the other side.
func (l Level) granularity() Time {
	switch l {
	case Fast:
		return 5 * millisecond
	case Slow:
		return 50 * millisecond
	}
	return 10 * millisecond
}

// How seldom what has come is acknowledged.
const (
	NoThrift    uint32 = iota
	Thrifty            // also while the peer sends parity segments acknowledgements wait for one another
	VeryThrifty        // and for the next message
)

// Config of a Core.
type Config struct {
	Conv       uint32 // not with Extended
	MaxPayload int    // message bytes of a segment at most, until SetMaxPayload says otherwise
	// ShortPayload is what segments may have that any path carries; zero: all are alike. See Feedback.
	ShortPayload int
	RecvWindow   int // segments that have come and were not read; at most 65535
	MaxMessage   int // bytes of a message that comes at most
	PeerWindow   int // segments that the peer is known to take before it has said so; default 32
	// Extended uses what other implementations of KCP do not know: short headers, acknowledgements with
	// bitmaps and markers of skipped messages. The peer must be a Core with it, too.
	Extended bool
	// Thrift is how seldom what has come is acknowledged: NoThrift, Thrifty or VeryThrifty; nil: NoThrift.
	Thrift *atomic.Uint32
	// Numbers counts the messages of all conversations among which Oldest is compared; nil: it is not.
	Numbers *atomic.Uint64
	// RTT is shared with the other conversations of the path; nil: the Core has its own.
	RTT *Estimator
}

// Core is one conversation. It is not safe for concurrent use.
type Core struct {
	cfg   Config
	level Level

	// Sending.
	payload  int // message bytes of a segment at most, for messages that are not begun
	queue    fifo[*message]
	off      int  // bytes of the first message that have been sent
	fragsLf  int  // fragments of the first message that follow; valid when off > 0
	fragMax  int  // message bytes of each of them at most; valid when off > 0
	queued   int  // bytes in queue, without off
	segments int  // what they will take at least
	deadline bool // there may be messages with deadlines in the queue
	skipped  int  // messages dropped since the last marker
	win      window
	flight   list   // sent and not known to be lost, by time of the last transmission
	lost     list   // to be sent again
	sacked   int    // acknowledged beyond una
	edge     uint32 // the peer takes segments below
	copies   [maxCopies]uint32
	ncopies  int
	probes   int  // tail probes to be sent
	askAt    Time // when to ask for a closed window
	askWait  Time
	ask      bool

	// Losses and timeouts.
	rtt      *Estimator
	rackTime Time // of the transmission that is the newest to have arrived
	rackSn   uint32
	lastTime Time // the same before the current Input
	lastSn   uint32
	reorder  struct {
		seen  bool
		wide  Time // quarters of the least round trip
		since int  // losses since the last spurious one
	}
	progress Time // last acknowledgement of something, or timeout
	probed   bool // tail probes were sent since
	backoff  int  // timeouts since
	timedOut Time // the first of them
	stuck    Time // the first of them since una has moved; zero: none
	late     bool // an answer to something sent before it has come
	credit   int  // segments that may be sent before an answer to a timeout

	oneWay struct {
		known bool
		first uint32
	}

	redundancy redundancy

	// Receiving.
	in receiver

	stats Stats
}

// Stats counts what a Core has seen.
type Stats struct {
	Sent       uint64 // data segments, of which:
	Again      uint64 // after a loss or as a tail probe
	Copies     uint64 // second copies of a retransmission
	Spurious   uint64 // retransmissions of what had arrived
	Parities   uint64 // parity segments sent
	Recovered  uint64 // segments that the peer has found by them
	Found      uint64 // segments found here by those of the peer
	Timeouts   uint64
	Expired    uint64 // messages that were dropped before they were sent
	Skipped    uint64 // messages that the peer dropped
	Duplicates uint64 // segments that had come before
	Violations uint64 // fragments that fit no message
}

// New gives a conversation.
func New(cfg Config) *Core {
	c := &Core{cfg: cfg, payload: cfg.MaxPayload}
	c.win.head = HeaderLen
	if cfg.Extended {
		c.win.head = ShortLen
	}
	c.in.longest = cfg.MaxPayload
	if cfg.PeerWindow == 0 {
		c.cfg.PeerWindow = defaultPeerWindow
	}
	c.rtt = cfg.RTT
	if c.rtt == nil {
		c.rtt = new(Estimator)
	}
	c.edge = uint32(c.cfg.PeerWindow)
	c.reorder.wide = 1
	c.in.announced = cfg.RecvWindow
	return c
}

func (c *Core) thrift() uint32 {
	if c.cfg.Thrift == nil {
		return NoThrift
	}
	return c.cfg.Thrift.Load()
}

// SetLevel changes how eagerly this side repeats. The default is Normal.
func (c *Core) SetLevel(l Level) { c.level = l }

// SetMaxPayload changes how many message bytes a segment takes at most, from the next message on: of a message that is
// begun the number of fragments is fixed, and segments that have been sent keep their numbers and so their lengths. After
// it was made less, Next may so have segments that need more room than new ones do.
func (c *Core) SetMaxPayload(n int) {
	if n == c.payload {
		return
	}
	c.payload, c.segments = n, 0
	for i := range c.queue.n {
		if i == 0 && c.off > 0 {
			c.segments += c.fragsLf + 1
			continue
		}
		c.segments += c.full(len((*c.queue.at(i)).data))
	}
}

// MaxPayload is how many message bytes a segment of a new message takes at most.
func (c *Core) MaxPayload() int { return c.payload }

// Stats gives the counters.
func (c *Core) Stats() Stats { return c.stats }

// Violated tells whether the peer has sent what no sender sends.
func (c *Core) Violated() bool { return c.stats.Violations > 0 }

// InFlight counts segments that have been sent and are neither acknowledged nor lost.
func (c *Core) InFlight() int { return c.flight.n }

// BytesInFlight counts their bytes, headers included.
func (c *Core) BytesInFlight() int { return c.flight.bytes }

// Sendable counts the bytes that wait for a transmission, the first or another, without headers of new segments.
func (c *Core) Sendable() int { return c.queued + c.lost.bytes }

// Oldest gives the number, by Config.Numbers, of the oldest message of which something waits for a transmission, the
// first or another; zero: only markers of messages that were dropped do.
func (c *Core) Oldest() uint64 {
	var m *message
	switch {
	case c.lost.n > 0:
		m = c.win.at(c.lost.head).msg
	case c.queue.n > 0:
		m = *c.queue.at(0)
	}
	if m == nil {
		return 0
	}
	return m.number
}

// Unsent counts the bytes that wait for their first transmission.
func (c *Core) Unsent() int { return c.queued }

// Queued counts the segments that wait for their first transmission.
func (c *Core) Queued() int { return c.segments }

// Waiting counts the segments that are not acknowledged, sent or not.
func (c *Core) Waiting() int { return int(c.win.nxt-c.win.una) + c.segments }

// Idle tells whether nothing is queued, in flight or to be told.
func (c *Core) Idle() bool {
	return c.queue.n == 0 && c.skipped == 0 && c.win.una == c.win.nxt && !c.Telling()
}

// Trim frees the memory of an idle conversation.
func (c *Core) Trim() {
	if c.win.una == c.win.nxt && len(c.win.ring) > smallRing {
		c.win.ring = nil
	}
	c.queue.trim()
	c.in.trim()
}

// Release gives up everything, for a conversation that has ended.
func (c *Core) Release() {
	for c.queue.n > 0 {
		c.queue.pop().release()
	}
	for sn := c.win.una; sn != c.win.nxt; sn++ {
		if s := c.win.at(sn); s.msg != nil {
			s.msg.release()
			s.msg = nil
		}
	}
	c.in.release()
	*c = *New(c.cfg)
}
