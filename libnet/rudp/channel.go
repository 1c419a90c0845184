// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"context"
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// ChannelID names a channel of a session. Both sides just use the same number.
type ChannelID uint16

// Level says how eagerly a channel sends, compared with the others of its session.
type Level uint8

const (
	// Normal probes for what is not acknowledged 10 ms after it should have been.
	Normal Level = iota
	// Fast waits 5 ms, repeats more often when nothing is heard at all, and gets twice Normal's share of the
	// session's window.
	Fast
	// Slow waits 50 ms and has a quarter of Normal's share.
	Slow
)

// maxWeight is the greatest weight of a level.
const maxWeight = 8

func (l Level) weight() int {
	switch l {
	case Fast:
		return maxWeight
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
	core    *arq.Core // nil when the session was closed here, or had too many channels
	level   Level
	class   Class
	spent   uint64 // bytes sent, weighed
	active  bool   // in Conn.active
	fed     bool   // in Conn.fed
	queued  bool   // in Conn.ready
	claimed bool   // Recv has been called: Conn.Recv leaves this channel alone
}

// Class is a channel's urgency, among all sessions of the endpoint. More urgent classes go first; the last three have
// a least share, so that none starves.
type Class uint8

// Classes, the most urgent first.
const (
	Control    Class = iota // what keeps things going, and is little: the upload limit does not hold it back
	Rescue                  // what is needed at once
	Newest                  // live data: the default
	Repair                  // what was missed
	Background              // what can wait
)

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
	if c.recent != nil && c.recent.id == id {
		return c.recent
	}
	if ch := c.channels[id]; ch != nil {
		c.recent = ch
		return ch
	}
	if len(c.channels) >= maxChannels || c.err != nil {
		return nil
	}
	ch := &Channel{
		conn:     c,
		id:       id,
		class:    Newest,
		writable: make(chan struct{}, 1),
		readable: make(chan struct{}, 1),
		core: arq.New(arq.Config{
			MaxPayload:   basePayload,
			ShortPayload: basePayload,
			RecvWindow:   c.ep.cfg.RecvQueue / basePayload,
			MaxMessage:   MaxMessage,
			PeerWindow:   minQueue / basePayload,
			Extended:     true,
			RTT:          &c.rtt,
			Thrift:       &c.ep.thrift,
			Numbers:      &c.ep.numbers,
		}),
	}
	ch.core.SetMaxPayload(payloadOf(c.size))
	c.channels[id] = ch
	ch.protect()
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
	if ch.core == nil {
		return
	}
	ch.level = l
	switch l {
	case Fast:
		ch.core.SetLevel(arq.Fast)
	case Slow:
		ch.core.SetLevel(arq.Slow)
	default:
		ch.core.SetLevel(arq.Normal)
	}
	ch.protect()
}

// SetPriority changes the class in which this side sends on the channel. The default is Newest.
func (ch *Channel) SetPriority(class Class) {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	ch.class = min(class, Background)
	ch.protect()
}

// SendOptions change what SendMessage does.
type SendOptions struct {
	// Deadline is when the message is no longer worth sending: if its transmission has not begun by then, it leaves
	// the queue, and the receiver learns that it is missing. Default: none.
	Deadline time.Time
	// NoWait makes a full queue an error, ErrQueueFull. Default: wait.
	NoWait bool
}

// Send queues a message, which leaves when the window and the pacer allow. It waits while the queue is full, until
// the context or the session ends. The message is copied: the caller may change msg afterwards. Its length
// is 1 to MaxMessage bytes.
func (ch *Channel) Send(ctx context.Context, msg []byte) error {
	return ch.SendMessage(ctx, msg, SendOptions{})
}

// TrySend is Send that returns ErrQueueFull rather than wait.
func (ch *Channel) TrySend(msg []byte) error { return ch.trySend(msg, time.Time{}) }

// SendMessage is Send with options.
func (ch *Channel) SendMessage(ctx context.Context, msg []byte, o SendOptions) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	for {
		err := ch.trySend(msg, o.Deadline)
		if err != ErrQueueFull || o.NoWait {
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

func (ch *Channel) trySend(msg []byte, deadline time.Time) error {
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
	now := time.Now()
	t := c.ticks(now)
	if !ch.room(len(msg)) && (ch.core.Expire(t) == 0 || !ch.room(len(msg))) {
		return ErrQueueFull
	}
	var end arq.Time
	if !deadline.IsZero() {
		end = max(1, t+arq.Time(deadline.Sub(now)/time.Microsecond))
	}
	ch.core.Send(msg, end)
	c.stats.MessagesOut++
	c.stats.BytesOut += uint64(len(msg))
	c.activate(ch)
	c.flush(now)
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

// room tells whether the send queue takes a message of n more bytes. Short segments count as some of BaseDatagram.
func (ch *Channel) room(n int) bool {
	if ch.core == nil {
		return false
	}
	payload := ch.core.MaxPayload()
	queue := ch.conn.ep.cfg.SendQueue
	return ch.core.Unsent()+n <= queue && ch.core.Queued()+(n+payload-1)/payload <= queue/basePayload
}

// markWritable tells who waits for room, or for everything to be acknowledged. A queue that is nearly full is not
// worth a wake-up while acknowledgements come. The caller holds Conn.mu.
func (ch *Channel) markWritable() {
	if ch.core != nil && (ch.core.InFlight() == 0 || ch.core.Queued() <= ch.conn.ep.cfg.SendQueue/basePayload*3/4) {
		signal(ch.writable)
	}
}

// Flush waits until the peer has acknowledged everything sent on the channel so far and since, or until the
// context or the session ends.
func (ch *Channel) Flush(ctx context.Context) error {
	for {
		c := ch.conn
		c.mu.Lock()
		err := ch.usable()
		empty := err == nil && ch.core.Waiting() == 0
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
		data, _, ok := ch.take()
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

// Recycle gives back the bytes of a message that Recv gave, for messages to come: it spares the garbage collector, and
// nobody need do it. The caller must not use them any more, nor any part of them.
func Recycle(data []byte) { arq.Recycle(data) }

// take gives the next whole message of the core. The caller holds Conn.mu.
func (ch *Channel) take() (data []byte, skipped int, ok bool) {
	if ch.core == nil {
		return nil, 0, false
	}
	data, skipped, ok = ch.core.Recv()
	if !ok {
		return nil, 0, false
	}
	c := ch.conn
	c.stats.MessagesIn++
	c.stats.BytesIn += uint64(len(data))
	if ch.core.Telling() && c.err == nil { // a window that was nearly closed
		c.activate(ch)
		c.flush(time.Now())
	}
	return data, skipped, true
}

// markReady tells the one who reads this channel if a whole message is there. The caller holds Conn.mu.
func (ch *Channel) markReady() {
	switch {
	case ch.core == nil || !ch.core.Readable():
	case ch.claimed:
		signal(ch.readable)
	case !ch.queued:
		ch.queued = true
		ch.conn.ready = append(ch.conn.ready, ch)
		signal(ch.conn.readable)
	}
}
