// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// ChannelID names a channel of a session. Both sides just use the same number.
type ChannelID uint16

// Level says how eagerly a channel sends, compared with the others of its session.
type Level uint8

const (
	// Normal repeats a segment that is not acknowledged after at least 100 ms, then after twice as long.
	// Segments behind it that are acknowledged make it repeat at once on every level.
	Normal Level = iota
	// Fast repeats after at least 30 ms, then after half as long again, and gets twice Normal's share of
	// the session's window.
	Fast
	// Slow is Normal with a quarter of its share.
	Slow
)

func (l Level) weight() int {
	switch l {
	case Fast:
		return 8
	case Slow:
		return 1
	}
	return 4
}

// Channel is one ordered stream of messages in a session, a KCP conversation of its own. Its methods may be
// called from any goroutine.
type Channel struct {
	conn     *Conn
	id       ChannelID
	writable chan struct{} // the send queue has become shorter
	readable chan struct{} // a message waits for Recv

	// Guarded by Conn.mu.
	core       *kcp.KCP // nil when the session was closed here, or had too many channels
	level      Level
	due        time.Time // the core's next flush: it ignores updates before
	active     bool      // in Conn.active
	tell       bool      // the window must be announced
	queued     bool      // in Conn.ready
	claimed    bool      // Recv has been called: Conn.Recv leaves this channel alone
	sent       uint32    // one above the highest sequence number sent
	acked      uint32    // one above the highest that the peer has without a gap
	peerWindow int       // segments that the peer has room for
	announced  int       // segments that we told the peer we have room for
}

// Channel gives the session's channel of that number, the same one at each call. It costs no round trip:
// the peer has the channel when the first message comes. With more than 64 channels, or after the session
// has ended, the channel's methods only return errors.
func (c *Conn) Channel(id ChannelID) *Channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.channel(id); ch != nil {
		return ch
	}
	return &Channel{conn: c, id: id}
}

// channel finds or makes a channel; nil when there can be no further one. The caller holds c.mu.
func (c *Conn) channel(id ChannelID) *Channel {
	if ch := c.channels[id]; ch != nil {
		return ch
	}
	if len(c.channels) >= maxChannels || c.err != nil {
		return nil
	}
	ch := &Channel{
		conn:       c,
		id:         id,
		writable:   make(chan struct{}, 1),
		readable:   make(chan struct{}, 1),
		peerWindow: kcp.IKCP_WND_RCV,
	}
	ch.core = kcp.NewKCP(uint32(id), func(b []byte, size int) { ch.onOutput(b[:size]) })
	ch.core.SetMtu(kcpMTU)
	window := c.ep.cfg.RecvQueue / segmentPayload
	ch.core.WndSize(c.window.segments(), window)
	ch.announced = window
	ch.setLevel(Normal)
	c.channels[id] = ch
	return ch
}

// ID is the channel's number.
func (ch *Channel) ID() ChannelID { return ch.id }

// Conn is the channel's session.
func (ch *Channel) Conn() *Conn { return ch.conn }

// SetLevel changes how eagerly this side sends on the channel. The default is Normal.
func (ch *Channel) SetLevel(l Level) {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	if ch.core != nil {
		ch.setLevel(l)
		ch.conn.share()
	}
}

func (ch *Channel) setLevel(l Level) {
	const (
		interval    = int(flushInterval / time.Millisecond)
		fastResend  = 2 // acknowledgements that overtake a segment before it is sent again
		noOwnWindow = 1 // Conn.window bounds what is in flight
	)
	noDelay := 0
	if l == Fast {
		noDelay = 1
	}
	ch.level = l
	ch.core.NoDelay(noDelay, interval, fastResend, noOwnWindow)
}

// Send queues a message and sends what the window allows at once. It waits while the queue is full, until
// the context or the session ends. The message is copied: the caller may change msg afterwards. Its length
// is 1 to MaxMessage bytes.
func (ch *Channel) Send(ctx context.Context, msg []byte) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	for {
		err := ch.TrySend(msg)
		if err != ErrQueueFull {
			return err
		}
		select {
		case <-ch.writable:
		case <-ch.conn.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TrySend is Send that returns ErrQueueFull rather than wait.
func (ch *Channel) TrySend(msg []byte) error {
	switch {
	case len(msg) == 0:
		return ErrMessageEmpty
	case len(msg) > MaxMessage:
		return ErrMessageTooLarge
	}
	c := ch.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ch.usable(); err != nil {
		return err
	}
	if !ch.room(len(msg)) {
		return ErrQueueFull
	}
	ch.core.Send(msg)
	c.stats.MessagesOut++
	c.stats.BytesOut += uint64(len(msg))
	ch.activate(time.Now())
	c.flush()
	if ch.room(1) {
		signal(ch.writable) // for another Send that waits
	}
	return nil
}

func (ch *Channel) usable() error {
	if ch.conn.err != nil {
		return ch.conn.err
	}
	if ch.core == nil {
		return ErrTooManyChannels
	}
	return nil
}

// room tells whether the send queue takes n more bytes.
func (ch *Channel) room(n int) bool {
	segments := (n + segmentPayload - 1) / segmentPayload
	return ch.core != nil && ch.core.WaitSnd()+segments <= ch.conn.ep.cfg.SendQueue/segmentPayload
}

// Flush waits until the peer has acknowledged everything sent on the channel so far and since, or until the
// context or the session ends.
func (ch *Channel) Flush(ctx context.Context) error {
	for {
		c := ch.conn
		c.mu.Lock()
		err := ch.usable()
		empty := err == nil && ch.core.WaitSnd() == 0
		c.mu.Unlock()
		if err != nil || empty {
			return err
		}
		select {
		case <-ch.writable:
		case <-c.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Recv gives the next message of this channel. From the first call on, Conn.Recv no longer gives messages
// of this channel. The data is the caller's to keep.
func (ch *Channel) Recv(ctx context.Context) ([]byte, error) {
	c := ch.conn
	for {
		c.mu.Lock()
		ch.claimed = true
		data, ok := ch.take()
		ch.markReady()
		err := ch.usable()
		c.mu.Unlock()
		if ok {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-ch.readable:
		case <-c.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take gives the next whole message of the core. The caller holds Conn.mu.
func (ch *Channel) take() ([]byte, bool) {
	if ch.core == nil {
		return nil, false
	}
	size := ch.core.PeekSize()
	if size < 0 {
		return nil, false
	}
	c := ch.conn
	if size > MaxMessage { // fragments that contradict each other: no honest peer sends them
		const reason = "message too large"
		c.endHere(&CloseError{Code: CodeProtocol, Reason: reason}, CodeProtocol, reason)
		c.freeChannels()
		return nil, false
	}
	data := make([]byte, size)
	ch.core.Recv(data)
	c.stats.MessagesIn++
	c.stats.BytesIn += uint64(size)
	// The core announces a window that was closed, but only when it flushes the next time.
	if ch.announced == 0 && c.err == nil {
		ch.tell = true
		ch.activate(time.Now())
		c.flush()
	}
	return data, true
}

// markReady tells the one who reads this channel if a whole message is there. The caller holds Conn.mu.
func (ch *Channel) markReady() {
	switch {
	case ch.core == nil || ch.core.PeekSize() < 0:
	case ch.claimed:
		signal(ch.readable)
	case !ch.queued:
		ch.queued = true
		ch.conn.ready = append(ch.conn.ready, ch)
		signal(ch.conn.readable)
	}
}

// activate puts the channel among those to be polled, and flushes its core if that is due.
func (ch *Channel) activate(now time.Time) {
	c := ch.conn
	if !ch.active {
		ch.active = true
		c.active = append(c.active, ch)
		c.share()
	}
	if !now.Before(ch.due) {
		ch.update()
	}
	c.wake(ch.pollAt())
}

// pollAt is when the core must be updated: as soon as it can flush when it has something new, and later
// when it only waits for acknowledgements, so that the next message finds it ready to flush.
func (ch *Channel) pollAt() time.Time {
	unsent := ch.core.WaitSnd() - int(ch.sent-ch.acked)
	if ch.tell || unsent > 0 {
		return ch.due
	}
	return ch.due.Add(repeatInterval - flushInterval)
}

// update makes the core flush; it does so only if ch.due has come.
func (ch *Channel) update() {
	ch.core.Update()
	// By the clock and not by the caller's now: the core has taken its own time, cut to milliseconds.
	ch.due = time.Now().Add(flushInterval)
	ch.tell = false
}

// busy tells whether the core has something to send, to repeat or to tell.
func (ch *Channel) busy() bool { return ch.tell || ch.core.WaitSnd() > 0 }
