// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/swarm"
	"p2plive/internal/wire"
)

// ErrClosed is returned by calls on a swarm that has been left.
var ErrClosed = errors.New("the swarm has been left")

// Output takes what a swarm yields: fragments of each track in order, from a
// key frame on. Calls come from one goroutine and must not block.
type Output interface {
	SetCatalog(*wire.Catalog)
	Publish(*live.Fragment)
	Missed(wire.TrackID, wire.Seq)
}

// SwarmConfig is what taking part in a stream needs.
type SwarmConfig struct {
	Stream  wire.StreamID
	Role    wire.Role
	Machine swarm.Config     // Self and Role are filled in
	Store   live.StoreConfig // zero: 30 s, 64 MiB
	Output  Output
	Signer  *live.Signer // the source's, nil for all others
	Ticket  []byte       // shown to peers; SetTicket renews it
	// EdgeOnly: the stream comes from edges only, and no other viewer learns of this one.
	EdgeOnly bool

	// WantPeers asks the tracker for n more peers; ReportBad tells it of a
	// peer that sent a bad piece. Neither may block. Both may be nil.
	WantPeers func(n int)
	ReportBad func(peer wire.PeerID, piece []byte)
}

// Swarm is a host's part in the swarm of one stream. One goroutine owns all
// of its state; the others send it requests.
type Swarm struct {
	host      *Host
	cfg       SwarmConfig
	log       *slog.Logger
	ctx       context.Context
	cancel    context.CancelCauseFunc
	wg        sync.WaitGroup
	inbox     chan inbound
	calls     chan func()   // unbuffered: what is sent is run
	stopped   chan struct{} // the loop has ended
	ticket    atomic.Pointer[[]byte]
	malformed atomic.Uint64
	start     time.Time

	// Owned by the loop.
	machine  *swarm.Machine
	store    *live.Store
	sessions map[wire.PeerID]*session
	dialing  map[wire.PeerID]bool
	banned   []ban
	catalog  *wire.Catalog
	signed   *wire.SignedCatalog
	wake     *time.Timer
	scratch  []byte
	meter    meter
	uplink   uplink
	measured time.Duration // when the uplink was looked at last
	closing  string
	last     Stats // written before stopped is closed
}

// Join takes part in a stream's swarm until the swarm or the host is closed.
func (h *Host) Join(cfg SwarmConfig) (*Swarm, error) {
	cfg.Machine.Self, cfg.Machine.Role = h.ID(), cfg.Role
	cfg.Machine.EdgeOnly = cfg.EdgeOnly
	if cfg.Machine.Seed == 0 {
		cfg.Machine.Seed = rand.Uint64()
	}
	s := &Swarm{
		host:     h,
		cfg:      cfg,
		log:      h.log.With("stream", cfg.Stream.String()[:8]),
		inbox:    make(chan inbound, inboxSize),
		calls:    make(chan func()),
		stopped:  make(chan struct{}),
		start:    time.Now(),
		machine:  swarm.New(cfg.Machine),
		store:    live.NewStore(cfg.Store),
		sessions: make(map[wire.PeerID]*session),
		dialing:  make(map[wire.PeerID]bool),
		wake:     time.NewTimer(time.Hour),
	}
	s.meter.joined = s.start
	s.ticket.Store(&cfg.Ticket)
	s.ctx, s.cancel = context.WithCancelCause(h.ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.swarms[cfg.Stream] != nil {
		return nil, ErrJoined
	}
	h.swarms[cfg.Stream] = s
	go s.loop()
	return s, nil
}

// Close leaves the swarm: peers are told the reason at once. It returns when
// all of the swarm's goroutines are gone.
func (s *Swarm) Close(reason string) {
	_ = s.call(func() { s.closing = reason })
	s.cancel(ErrClosed)
	<-s.stopped
}

// Done is closed when the swarm has been left.
func (s *Swarm) Done() <-chan struct{} { return s.stopped }

// Stream returns the stream's id.
func (s *Swarm) Stream() wire.StreamID { return s.cfg.Stream }

// Flush waits until the peers have acknowledged what was said so far on the
// control channels, or ctx ends.
func (s *Swarm) Flush(ctx context.Context) {
	var sessions []*session
	_ = s.ask(func() { sessions = slices.Collect(maps.Values(s.sessions)) })
	for _, ss := range sessions {
		_ = control(ss.conn).Flush(ctx)
	}
}

// SetTicket renews the ticket that peers are shown.
func (s *Swarm) SetTicket(ticket []byte) { s.ticket.Store(&ticket) }

// Introduce gives the swarm peers that it may dial.
func (s *Swarm) Introduce(peers []wire.PeerInfo) error {
	return s.call(func() { s.handle(swarm.Introduced{Peers: peers}) })
}

// SetUplink tells the swarm what it may upload, in bits a second, so that it
// takes on no more children. Host.SetUploadLimit is what holds it to that.
func (s *Swarm) SetUplink(bitsPerSecond int64) error {
	return s.call(func() {
		s.uplink.limit = bitsPerSecond
		if s.cfg.Role != wire.RoleViewer { // a viewer's line is measured, and may carry less
			s.handle(swarm.Capacity{Uplink: bitsPerSecond})
		}
	})
}

// PublishCatalog signs a catalog and gives it to all peers. For sources.
func (s *Swarm) PublishCatalog(c *wire.Catalog) error {
	signed := s.cfg.Signer.SignCatalog(c)
	if len(signed.Bytes) > wire.MaxCatalog {
		return errors.New("the stream has too many tracks for one catalog")
	}
	return s.call(func() { s.setCatalog(c, signed, nil) })
}

// Publish signs a fragment and starts it on its way. For sources. The
// fragment must not be changed after.
func (s *Swarm) Publish(f *live.Fragment) error {
	pieces, err := s.cfg.Signer.Split(f)
	if err != nil {
		return err
	}
	return s.call(func() {
		for _, p := range pieces {
			if fresh, _, err := s.store.Put(p); err == nil && fresh {
				s.handle(swarm.PieceMade{Header: p.PieceHeader, Size: len(p.Payload)})
			}
		}
	})
}

// call has the loop run f, in order with other calls. The loop's own code,
// and so an Output, must not use it.
func (s *Swarm) call(f func()) error {
	select {
	case s.calls <- f:
		return nil
	case <-s.ctx.Done():
		return ErrClosed
	}
}

// ask has the loop run f and waits for it.
func (s *Swarm) ask(f func()) error {
	done := make(chan struct{})
	if err := s.call(func() { f(); close(done) }); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-s.stopped:
		return ErrClosed
	}
}

// deliver gives a session's message to the loop. It reports false when the
// loop has ended.
func (s *Swarm) deliver(in inbound) bool {
	select {
	case s.inbox <- in:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// attach adds a session whose Hellos have been exchanged.
func (s *Swarm) attach(ss *session) error {
	return s.call(func() { s.addSession(ss) })
}

func (s *Swarm) hello() *wire.Hello {
	return &wire.Hello{
		Version: wire.ProtocolVersion, Role: s.cfg.Role, Stream: s.cfg.Stream, Ticket: *s.ticket.Load(),
		EdgeOnly: s.cfg.EdgeOnly,
	}
}

// loop owns the machine, the store and the sessions.
func (s *Swarm) loop() {
	links := time.NewTicker(linkInterval)
	defer links.Stop()
	uplinks := time.NewTicker(uplinkInterval)
	defer uplinks.Stop()
	if s.cfg.Role != wire.RoleViewer {
		uplinks.Stop() // a server's line is not searched for its bound
	}
	paths := time.NewTicker(pathInterval)
	defer paths.Stop()
	for s.ctx.Err() == nil {
		select {
		case in := <-s.inbox:
			s.receive(in)
		case f := <-s.calls:
			f()
		case <-s.wake.C:
			s.handle(swarm.Tick{})
		case <-links.C:
			s.measureLinks()
		case <-uplinks.C:
			s.measureUplink()
		case <-paths.C:
			s.watchPaths()
		case <-s.ctx.Done():
		}
	}
	s.leave()
}

// leave tells every peer and waits for all goroutines of the swarm.
func (s *Swarm) leave() {
	if s.closing == "" {
		s.closing = "the peer is stopping"
	}
	s.last = s.stats()
	for _, ss := range s.sessions {
		ss.conn.Close(s.closing)
	}
	s.wake.Stop()
	s.host.mu.Lock()
	delete(s.host.swarms, s.cfg.Stream)
	s.host.mu.Unlock()
	s.wg.Wait()
	close(s.stopped)
}
