// SPDX-License-Identifier: GPL-3.0-or-later

// Package viewer is the watching role: it pulls a stream from its peers,
// gives it on to others, and plays it in a page, a player or a file.
package viewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/live"
	"p2plive/internal/media/play"
	"p2plive/internal/peer"
	"p2plive/internal/signal"
	"p2plive/internal/sockets"
	"p2plive/internal/swarm"
	"p2plive/internal/webui"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
)

const (
	// reportInterval is how often the tracker hears how a viewer does.
	reportInterval = 5 * time.Second
	// settleInterval is how often a viewer that has just come looks whether it
	// has found its places. It says so at once: others may wait for it.
	settleInterval = 250 * time.Millisecond
	// placeInterval is how often the log tells of a place in the queue.
	placeInterval = 15 * time.Second
)

// natInterval is the least time between two discoveries of the NAT's behaviour:
// one for each connection to the tracker, unless those break all the time.
const natInterval = time.Minute

// Config of a viewer.
type Config struct {
	Link        string // "http://tracker/s/NAME-or-ID"
	HTTP        string // address of the local page; empty: none
	UDP         string // address of the sessions' socket, default ":0"
	UploadLimit int64  // bits a second given to other viewers; 0: no limit
	// NoPortMapping keeps the viewer from asking the home's router for a port.
	NoPortMapping bool
	EdgeOnly      bool             // take the stream from edges only; no other viewer learns of this one
	Store         live.StoreConfig // what is kept for others; zero: the defaults
	Network       sockets.Network  // default: this machine's
	Logger        *slog.Logger
}

// Viewer is a running viewer.
type Viewer struct {
	cfg    Config
	log    *slog.Logger
	stream string // name or id
	host   *peer.Host
	client *signal.Client
	hub    *play.Hub
	page   net.Listener
	keys   signal.Keyring
	start  time.Time
	stun   chan string // capacity 1: the server to ask about the NAT

	changed chan struct{} // capacity 1: wakes the reporter

	measure   sync.Once
	measuring sync.WaitGroup

	mu     sync.Mutex
	swarm  *peer.Swarm // nil until the stream is live
	name   string
	state  string
	place  int              // in the tracker's queue; 0: none
	placed time.Time        // when the log told of it last
	ticket []byte           // the newest; nil: never let in
	last   peer.Stats       // of the swarm that was left, empty before the first
	addrs  []netip.AddrPort // as they were announced; nil: not yet
	mapped netip.AddrPort   // the one of them that a router forwards
	asked  time.Time        // when the first picture began to be waited for; zero: the stream is not live yet
	lead   time.Duration    // from there to joining
}

// New checks the configuration and binds the sockets.
func New(cfg Config) (*Viewer, error) {
	v := &Viewer{
		cfg: cfg, log: cfg.Logger, hub: play.NewHub(), start: time.Now(), state: peer.StateConnecting,
		stun: make(chan string, 1), changed: make(chan struct{}, 1),
		last: peer.Stats{Latency: &live.Latency{}},
	}
	if v.log == nil {
		v.log = slog.Default()
	}
	tracker, stream, err := signal.ParseLink(cfg.Link)
	if err != nil {
		return nil, err
	}
	v.stream, v.name = stream, stream
	identity, err := rudp.NewIdentity()
	if err != nil {
		return nil, err
	}
	if v.client, err = signal.NewClient(signal.Config{
		URL: tracker, Identity: identity, Announce: v.announce, Network: cfg.Network, Logger: v.log,
	}); err != nil {
		return nil, err
	}
	if cfg.HTTP != "" {
		if v.page, err = sockets.Or(cfg.Network).Listen(cfg.HTTP); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
	}
	v.host, err = peer.Listen(cfg.UDP, peer.HostConfig{
		Identity: identity, Admit: peer.AdmitTickets(&v.keys), Network: cfg.Network, Awake: v.client.Check, Logger: v.log,
	})
	if err != nil {
		if v.page != nil {
			v.page.Close()
		}
		return nil, err
	}
	v.host.SetUploadLimit(cfg.UploadLimit)
	return v, nil
}

// Feed returns what the viewer plays.
func (v *Viewer) Feed() play.Feed { return v.hub }

// PageURL returns the address of the local page, empty if there is none.
func (v *Viewer) PageURL() string {
	if v.page == nil {
		return ""
	}
	return "http://" + v.page.Addr().String() + "/"
}

// Serve watches until ctx ends. It returns when everything is closed.
func (v *Viewer) Serve(ctx context.Context) error {
	defer v.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.client.Run(ctx) })
	group.Go(func() error { return v.follow() })
	group.Go(func() error { v.report(ctx); return nil })
	group.Go(func() error { v.discoverNAT(ctx); return nil })
	if !v.cfg.NoPortMapping && !v.cfg.EdgeOnly {
		group.Go(func() error { v.host.MapPort(ctx, v.readdress); return nil })
	}
	if v.page != nil {
		group.Go(func() error { return webui.ServePlayer(ctx, v.page, v.hub, func() any { return v.Status() }) })
	}
	err := group.Wait()
	v.measuring.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// Close leaves the swarm and closes all sockets. Serve does it too.
func (v *Viewer) Close() {
	v.leave("the viewer has left")
	v.hub.Close()
	v.host.Close("the viewer has left")
	if v.page != nil {
		v.page.Close()
	}
}

func (v *Viewer) announce(ctx context.Context, hello signal.Hello) (signal.Announce, error) {
	if hello.TrackerUDP != "" {
		select {
		case v.stun <- hello.TrackerUDP:
		default: // the one before has not been asked yet
		}
	}
	a := signal.Announce{Viewer: &signal.ViewerAnnounce{Stream: v.stream, EdgeOnly: v.cfg.EdgeOnly, Ticket: v.lastTicket()}}
	if !v.cfg.EdgeOnly { // else nobody needs them
		a.UDPAddrs, a.Mapped = v.host.Addresses(ctx, hello), v.host.Mapped()
		v.mu.Lock()
		v.addrs, v.mapped = a.UDPAddrs, a.Mapped
		v.mu.Unlock()
	}
	return a, nil
}

// readdress tells the tracker of an address that a router forwards, or does not any more.
func (v *Viewer) readdress() {
	mapped := v.host.Mapped()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.addrs == nil {
		return // the announcement will tell
	}
	v.addrs = slices.DeleteFunc(slices.Clone(v.addrs), func(a netip.AddrPort) bool { return a == mapped || a == v.mapped })
	if v.mapped = mapped; mapped.IsValid() {
		v.addrs = slices.Insert(v.addrs, 0, mapped)
	}
	v.client.SendAddrs(v.addrs, mapped)
}

// discoverNAT learns how the NAT behaves, in the background: nothing waits for it.
func (v *Viewer) discoverNAT(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case server := <-v.stun:
			if _, err := v.host.DiscoverNAT(ctx, server); err == nil {
				v.client.SendNAT(v.host.Class())
				v.adaptKeepAlive(ctx, server)
			} else if ctx.Err() == nil {
				v.log.Debug("NAT behaviour not known", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(natInterval):
		}
	}
}

// adaptKeepAlive measures, once, how often sessions have to be kept alive. Nothing waits for it.
func (v *Viewer) adaptKeepAlive(ctx context.Context, server string) {
	v.measure.Do(func() {
		v.measuring.Go(func() {
			if err := v.host.AdaptKeepAlive(ctx, server); err != nil && ctx.Err() == nil {
				v.log.Debug("the lifetime of NAT mappings is not known", "err", err)
			}
		})
	})
}

// follow does what the tracker says.
func (v *Viewer) follow() error {
	for ev := range v.client.Events() {
		switch e := ev.(type) {
		case signal.Welcome:
			v.keys.Add(e.TrackerKey)
			if !v.cfg.EdgeOnly {
				v.host.UseTracker(e.TrackerUDP, e.Requests)
			}
			v.client.SendNAT(v.host.Class())
			v.wake()
			if err := v.become(signal.StreamState{State: e.State, Stream: e.Stream, Name: e.Name, Ticket: e.Ticket, Place: e.Place}); err != nil {
				return err
			}
		case signal.StreamState:
			if err := v.become(e); err != nil {
				return err
			}
		case signal.TicketRenewed:
			v.setTicket(e.Ticket)
		case signal.Punch:
			v.host.HandlePunch(e)
		case signal.Disconnected:
			v.host.UseTracker("", nat.RequestKey{})
			v.turnedAway(e.Err)
		case signal.Peers:
			if s := v.joined(); s != nil {
				_ = s.Introduce(v.host.Infos(e.Peers))
			}
		}
	}
	return nil
}

// become joins the stream when it is live and the tracker lets the viewer in.
func (v *Viewer) become(e signal.StreamState) error {
	if e.State != signal.StateLive {
		if s := v.joined(); s == nil || e.State == signal.StateQueued && s.Stream() != e.Stream {
			v.await(e)
		} // else it plays on, whatever the tracker says
		return nil
	}
	v.begin(e)
	v.setTicket(e.Ticket)
	s := v.joined()
	if s != nil && s.Stream() == e.Stream {
		return nil
	}
	v.leave("the stream has changed")
	s, err := v.host.Join(peer.SwarmConfig{
		Stream: e.Stream, Role: wire.RoleViewer, Output: v.hub, Ticket: e.Ticket,
		Store: v.cfg.Store, Machine: swarm.Config{Window: v.cfg.Store.Span}, EdgeOnly: v.cfg.EdgeOnly,
		WantPeers: func(n int) { v.client.RequestPeers(n) },
		ReportBad: v.client.ReportBadPiece,
	})
	if err != nil {
		return err
	}
	if v.cfg.UploadLimit > 0 {
		_ = s.SetUplink(v.cfg.UploadLimit)
	}
	v.mu.Lock()
	v.swarm = s
	v.mu.Unlock()
	v.wake()
	return nil
}

func (v *Viewer) leave(reason string) {
	s := v.joined()
	if s == nil {
		return
	}
	last := s.Stats()
	s.Close(reason)
	v.mu.Lock()
	v.swarm, v.last = nil, last
	v.mu.Unlock()
}

func (v *Viewer) joined() *peer.Swarm {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.swarm
}

// Stats returns the counters of the viewer's part in the swarm.
func (v *Viewer) Stats() peer.Stats {
	if s := v.joined(); s != nil {
		return s.Stats()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last
}

// Status returns what `watch --json` prints.
func (v *Viewer) Status() peer.Status {
	st := v.Stats()
	v.mu.Lock()
	name, state, place, lead := v.name, v.state, v.place, v.lead
	v.mu.Unlock()
	status := peer.NewStatus(st, name, state)
	status.QueuePlace = place
	if status.FirstFragmentMS > 0 {
		status.FirstFragmentMS += lead.Milliseconds()
	}
	status.NAT = v.host.NATStatus()
	socket := v.host.Endpoint().Stats()
	status.WireBytesSent, status.WireBytesReceived = socket.BytesOut, socket.BytesIn
	return status
}
