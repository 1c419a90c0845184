// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"container/list"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/rudp/internal/cc"
)

// Message is one message with the channel it came by. Data is the caller's to keep.
type Message struct {
	Channel ChannelID
	Data    []byte
	Skipped int // messages that the peer dropped at their deadline since the one before on this channel
}

// Conn is a session with one peer. Its methods may be called from any goroutine.
type Conn struct {
	ep        *Endpoint
	peer      PeerID
	local     connID                 // in datagrams to us; set when registered
	responses chan [responseLen]byte // from the read loop to Dial
	done      chan struct{}          // closed when the session has ended
	readable  chan struct{}          // a message waits for Recv

	// Guarded by Endpoint.mu.
	counted    bool          // in Endpoint.sessions
	half       *list.Element // in Endpoint.halfOpen
	initiation initiationKey
	response   []byte // to copies of the initiation
	repeats    int    // of the response

	timer timerSlot // guarded by timerQueue.mu

	mu        sync.Mutex
	state     connState
	err       error // why the session ended
	path      Path
	remote    connID // in datagrams to the peer
	created   time.Time
	wakeAt    time.Time // when onTimer will run, if not zero
	keys      sessionKeys
	sealed    uint64    // counter of the next datagram
	keyed     time.Time // when the sending key was renewed
	moving    migration
	dialed    bool
	settled   time.Time  // until then Move holds, whatever address the peer seems to have
	probes    []*probing // at most maxProbes
	proofs    []proof    // at most maxProbes, the oldest first
	replay    replayFilter
	lastRecv  time.Time // of an authentic datagram
	lastPing  time.Time
	asked     time.Time     // the first ping since something authentic has come
	rechecked time.Time     // by Recheck
	rhythm    time.Duration // mean time between bursts of the peer
	dialing   *initiation
	confirmed bool // the peer has shown that it has our keys
	retryAt   time.Time
	retryWait time.Duration
	farewell  farewell
	out       packer
	mtu       pathMTU
	size      int           // of full datagrams: mtu.size
	parts     *parts        // of frames that came in parts; nil: none
	parted    uint32        // frames that were sent so
	clock     time.Duration // of the last event, since the Unix epoch: it never goes back
	congest   cc.Controller
	place     cc.Session    // in the pacer; guarded by pacing.mu
	wanted    bool          // it has demand there
	rtt       arq.Estimator // shared by the channels
	heard     arq.Feedback  // in the present batch
	guard     guard
	channels  map[ChannelID]*Channel
	recent    *Channel   // the one of them that was looked up last, or nil
	active    []*Channel // those whose core has something to do
	fed       []*Channel // those that got segments in the present batch
	ready     []*Channel // those with a message for Recv, in turn
	stats     ConnStats
	touched   bool      // in the list of a read loop, which will call endBatch
	ackAt     time.Time // when an acknowledgement that waits leaves at the latest; zero: none waits
	ackFrom   uint64    // datagrams that had come when it began to wait

	observation observation
}

type connState uint8

const (
	stateNew      connState = iota // not registered, or its handshake has not begun
	stateDialing                   // initiation sent
	stateHalfOpen                  // response sent, the initiator has not proved itself
	stateOpen
	stateClosing // ended here; repeats its farewell
	stateClosed
)

// farewell is what a closed session still says for a moment.
type farewell struct {
	code    uint16
	reason  string
	sent    int // by the timer
	answers int // to late datagrams
}

func newConn(path Path, peer PeerID, now time.Time) *Conn {
	e := path.Socket.ep
	c := &Conn{
		ep:        e,
		peer:      peer,
		path:      path,
		created:   now,
		lastRecv:  now,
		rhythm:    time.Duration(e.keep.interval.Load()),
		responses: make(chan [responseLen]byte, 2),
		done:      make(chan struct{}),
		readable:  make(chan struct{}, 1),
		timer:     timerSlot{index: -1},
		channels:  make(map[ChannelID]*Channel),
	}
	c.place.Owner = c
	c.mtu, c.size = c.newMTU(), BaseDatagram
	c.congest = cc.New(e.cfg.congestion(), c.at(now))
	return c
}

// ID names the session in events and dumps.
func (c *Conn) ID() SessionID { return SessionID(c.local) }

// Peer is the id that the peer has proved to hold.
func (c *Conn) Peer() PeerID { return c.peer }

// RemoteAddr is where datagrams to the peer go.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.Path().Addr }

// Path is how datagrams to the peer go.
func (c *Conn) Path() Path {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path
}

// Done is closed when the session has ended; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is nil while the session lives; then a *CloseError, ErrIdleTimeout, ErrPathBlocked or
// ErrSocketClosed. All match net.ErrClosed.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Stats describes the session at this moment.
func (c *Conn) Stats() ConnStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Sent.Datagrams, s.Sent.Bytes = s.DatagramsOut, s.WireOut
	s.RTT, s.MinRTT = duration(c.rtt.Smoothed()), duration(c.rtt.Least())
	s.Silent = time.Since(c.lastRecv)
	if c.asked.After(c.lastRecv) {
		s.Unanswered = time.Since(c.asked)
	}
	s.MTU = c.size
	s.Window = c.congest.Window() / c.size
	s.Channels = len(c.channels)
	s.Loss = c.guard.loss.share
	s.Queue = c.congest.Estimates().Queue
	for _, ch := range c.channels {
		if ch.core == nil {
			continue
		}
		a := ch.core.Stats()
		s.SendQueue += ch.core.Waiting()
		s.InFlight += ch.core.InFlight()
		s.Parities += a.Parities
		s.Recovered += a.Recovered
		s.Timeouts += a.Timeouts
		s.Expired += a.Expired
		s.Skipped += a.Skipped
	}
	return s
}

// Close ends the session with CodeNormal. See CloseWithCode.
func (c *Conn) Close(reason string) error { return c.CloseWithCode(CodeNormal, reason) }

// CloseWithCode ends the session at once: the peer is told by a datagram that is repeated a few times,
// messages that it has not acknowledged are given up, and messages not read here are gone. Calls that wait
// return. A reason longer than MaxReason bytes is cut. Closing again does nothing.
func (c *Conn) CloseWithCode(code uint16, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.endHere(&CloseError{Code: code, Reason: cutReason(reason)}, code, reason)
		c.freeChannels()
	}
	return nil
}

// Recv gives the next message of any channel on which Channel.Recv has never been called, so that one
// goroutine can read a whole session. Messages of one channel come in order; channels with messages take
// turns. After the peer has closed or gone, the messages that came before are still given, then Err.
func (c *Conn) Recv(ctx context.Context) (Message, error) {
	for {
		c.mu.Lock()
		m, ok := c.nextMessage()
		err := c.err
		c.mu.Unlock()
		if ok {
			return m, nil
		}
		if err != nil {
			return Message{}, err
		}
		select {
		case <-c.readable:
		case <-c.done:
		case <-ctx.Done():
			return Message{}, context.Cause(ctx)
		}
	}
}

// nextMessage takes one message from the channel whose turn it is.
func (c *Conn) nextMessage() (Message, bool) {
	for len(c.ready) > 0 {
		ch := c.ready[0]
		last := copy(c.ready, c.ready[1:]) // at most as many as there are channels
		c.ready[last] = nil
		c.ready = c.ready[:last]
		ch.queued = false
		if ch.claimed {
			continue
		}
		data, skipped, ok := ch.take()
		if !ok {
			continue
		}
		ch.markReady()
		if len(c.ready) > 0 {
			signal(c.readable) // for another Recv that waits
		}
		return Message{Channel: ch.id, Data: data, Skipped: skipped}, true
	}
	return Message{}, false
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// startDial sends the initiation; onTimer repeats it.
func (c *Conn) startDial(now time.Time) error {
	// The Diffie-Hellman exchanges need no lock: nobody else has the session yet.
	dialing, err := newInitiation(c.ep.cfg.Identity, c.ep.cfg.Prologue, c.local, c.peer)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.state, c.dialing = stateDialing, dialing
	c.retryWait = handshakeRetry
	c.retryAt = now.Add(c.retryWait)
	c.writeRaw(dialing.datagram)
	c.wake(c.retryAt)
	return nil
}

// awaitResponse opens the session with the first genuine response. It runs on Dial's goroutine: the
// cryptography takes no time from the read loop.
func (c *Conn) awaitResponse(ctx context.Context) error {
	for {
		select {
		case response := <-c.responses:
			keys, remote, status, err := c.dialing.finish(response[:])
			if err != nil {
				c.ep.counters.unauthentic.Add(1)
				continue
			}
			if status != statusAccepted {
				return &CloseError{Code: CodeBusy, Reason: "too many sessions", Remote: true}
			}
			return c.open(remote, keys, time.Now())
		case <-c.done:
			return c.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// open makes a dialled session usable and proves to the responder, who keeps it to itself until then, that
// we have the keys.
func (c *Conn) open(remote connID, keys sessionKeys, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.state, c.remote, c.keys, c.lastRecv, c.keyed, c.dialed = stateOpen, remote, keys, now, now, true
	c.dialing = nil
	c.retryWait = handshakeRetry
	c.retryAt = now.Add(c.retryWait)
	c.ping(now)
	c.writeOut()
	c.wake(c.retryAt)
	if c.ep.observed() {
		c.tellUp(now, true)
	}
	c.ep.log.Debug("session dialled", slog.Any("peer", c.peer), slog.Any("addr", c.path.Addr))
	return nil
}

// startHalfOpen sets up a session whose response is about to be sent.
func (c *Conn) startHalfOpen(remote connID, keys sessionKeys, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.state, c.remote, c.keys, c.keyed = stateHalfOpen, remote, keys, now
	c.wake(now.Add(halfOpenTimeout))
}

// abandon ends a session that never was open, without a word.
func (c *Conn) abandon(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateOpen {
		c.end(err)
	}
}

// shutdown ends the session with the endpoint: its farewells go out at once, for there is no later.
func (c *Conn) shutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case stateOpen:
		c.endHere(&CloseError{Code: CodeShutdown, Reason: "endpoint closed"}, CodeShutdown, "endpoint closed")
		c.freeChannels()
		for range closeRepeats - 1 {
			c.sendFarewell()
		}
	case stateClosing, stateClosed:
	default:
		c.end(ErrEndpointClosed)
	}
	c.state = stateClosed
	c.ep.forget(c)
}

// endHere ends an open session and tells the peer. The caller holds c.mu.
func (c *Conn) endHere(err error, code uint16, reason string) {
	if c.state != stateOpen {
		c.end(err)
		return
	}
	c.finish(err)
	c.state = stateClosing
	c.farewell = farewell{code: code, reason: cutReason(reason), sent: 1}
	c.sendFarewell()
	c.ep.release(c)
	c.wake(time.Now().Add(closeInterval))
}

// end ends the session without telling the peer. The caller holds c.mu.
func (c *Conn) end(err error) {
	if c.err != nil {
		return
	}
	c.finish(err)
	c.state = stateClosed
	c.ep.forget(c)
}

// finish is what both ways of ending have in common. Cores stay as long as messages in them can be read.
func (c *Conn) finish(err error) {
	c.err = err
	close(c.done)
	c.active = nil
	c.out.drop(c.ep)
	c.leave()
	if c.ep.observed() {
		c.tellEnd(err)
	}
	c.ep.log.Debug("session ended", slog.Any("peer", c.peer), slog.Any("cause", err))
}

// freeChannels gives up all messages, sent and received.
func (c *Conn) freeChannels() {
	for _, ch := range c.channels {
		ch.core = nil
	}
	c.ready = nil
}

// wake makes onTimer run at the given time or earlier. The caller holds c.mu.
func (c *Conn) wake(at time.Time) {
	if !c.wakeAt.IsZero() && !at.Before(c.wakeAt) {
		return
	}
	c.wakeAt = at
	c.ep.timers.add(c, at)
}
