// SPDX-License-Identifier: GPL-3.0-or-later

// Package source is the broadcaster's role: it takes a live input, cuts and
// signs it, and sends one copy to an edge.
package source

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/live"
	"p2plive/internal/media/ingest"
	"p2plive/internal/media/play"
	"p2plive/internal/media/segment"
	"p2plive/internal/peer"
	"p2plive/internal/signal"
	"p2plive/internal/sockets"
	"p2plive/internal/webui"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

const (
	// reportInterval is how often the tracker hears of the stream's rate.
	reportInterval = 3 * time.Second
	// farewellTimeout is what the last catalog may take to reach the edge.
	farewellTimeout = 500 * time.Millisecond
)

// Config of a source.
type Config struct {
	Tracker    string // URL, "http://host:7000"
	Name       string // of the stream
	Title      string // for people; default Name
	Input      string // "demo", "rtmp://:1935", a file, or "-"
	ClipRate   int64  // bits a second that the built-in clip is filled up to; 0: its own
	HTTP       string // address of the local page; empty: none
	UDP        string // address of the sessions' socket, default ":0"
	PublishKey []byte // nil: the tracker asks for none
	// StreamKeyFile keeps the key that names the stream. It is made when
	// there is none. Empty: a key for this run alone.
	StreamKeyFile string
	Stdin         io.Reader       // what "-" reads, default os.Stdin
	Network       sockets.Network // default: this machine's
	Logger        *slog.Logger    // default slog.Default()
}

// Source is a running source.
type Source struct {
	cfg    Config
	log    *slog.Logger
	key    ed25519.PrivateKey
	input  ingest.Input
	host   *peer.Host
	swarm  *peer.Swarm
	client *signal.Client
	hub    *play.Hub
	page   net.Listener
	keys   signal.Keyring
	epoch  wire.Epoch
}

// New checks the configuration, opens the input and binds the sockets.
func New(cfg Config) (src *Source, err error) {
	s := &Source{cfg: cfg, log: cfg.Logger, hub: play.NewHub(), epoch: wire.Epoch(time.Now().UnixMilli())}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.cfg.Title == "" {
		s.cfg.Title = cfg.Name
	}
	if err := signal.CheckName(cfg.Name); err != nil {
		return nil, err
	}
	if s.key, err = s.streamKey(); err != nil {
		return nil, err
	}
	identity, err := rudp.NewIdentity()
	if err != nil {
		return nil, err
	}
	if s.client, err = signal.NewClient(signal.Config{
		URL: cfg.Tracker, Identity: identity, Announce: s.announce, Network: cfg.Network, Logger: s.log,
	}); err != nil {
		return nil, err
	}
	if s.input, err = ingest.Open(cfg.Input, ingest.Options{Stdin: cfg.Stdin, ClipRate: cfg.ClipRate, Logger: s.log}); err != nil {
		return nil, err
	}
	if cfg.HTTP != "" {
		if s.page, err = sockets.Or(cfg.Network).Listen(cfg.HTTP); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
	}
	if s.host, err = peer.Listen(cfg.UDP, peer.HostConfig{
		Identity: identity, Admit: peer.AdmitTickets(&s.keys), Network: cfg.Network, Logger: s.log,
	}); err != nil {
		s.Close()
		return nil, err
	}
	signer := live.NewSigner(s.key)
	s.swarm, err = s.host.Join(peer.SwarmConfig{
		Stream: signer.Stream(), Role: wire.RoleSource, Output: s.hub, Signer: signer,
		WantPeers: func(n int) { s.client.RequestPeers(n) },
	})
	return s, err
}

func (s *Source) streamKey() (ed25519.PrivateKey, error) {
	if s.cfg.StreamKeyFile != "" {
		return loadOrCreateKey(s.cfg.StreamKeyFile)
	}
	_, key, err := ed25519.GenerateKey(nil)
	return key, err
}

// Stream returns the stream's id.
func (s *Source) Stream() wire.StreamID { return wire.StreamID(s.key.Public().(ed25519.PublicKey)) }

// Link returns the address under which people watch the stream.
func (s *Source) Link() string { return signal.Link(s.cfg.Tracker, s.cfg.Name) }

// Stats returns the counters of the source's part in the swarm.
func (s *Source) Stats() peer.Stats { return s.swarm.Stats() }

// Serve sends the input to the network until ctx ends or the input does. It
// returns when everything is closed.
func (s *Source) Serve(ctx context.Context) error {
	defer s.Close()
	group, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() error { return s.client.Run(ctx) })
	group.Go(func() error { s.follow(ctx); return nil })
	group.Go(func() error { s.report(ctx); return nil })
	if s.page != nil {
		group.Go(func() error { return webui.ServePlayer(ctx, s.page, s.hub, s.status) })
	}
	group.Go(func() error {
		defer stop()
		seg := segment.New(segment.Config{Epoch: s.epoch, Title: s.cfg.Title, Logger: s.log}, output{s})
		err := s.input.Run(ctx, seg)
		return errors.Join(err, s.farewell(seg))
	})
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// Close ends the stream and closes all sockets. Serve does it too.
func (s *Source) Close() {
	s.hub.Close()
	if s.host != nil {
		s.host.Close("the broadcast has ended")
	}
	if s.page != nil {
		s.page.Close()
	}
}

// farewell tells the swarm, signed, that nothing follows.
func (s *Source) farewell(seg *segment.Segmenter) error {
	if s.hub.Catalog() == nil {
		return nil // the input never said what it would send
	}
	if err := seg.End(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	s.swarm.Flush(ctx)
	return nil
}

// announce says who this source is, at each connection to the tracker.
func (s *Source) announce(ctx context.Context, hello signal.Hello) (signal.Announce, error) {
	return signal.Announce{
		UDPAddrs: s.host.Addresses(ctx, hello),
		Source:   &signal.SourceAnnounce{PublishKey: s.cfg.PublishKey, Name: s.cfg.Name, Stream: s.key},
	}, nil
}

// follow does what the tracker says.
func (s *Source) follow(ctx context.Context) {
	for ev := range s.client.Events() {
		switch e := ev.(type) {
		case signal.Welcome:
			s.keys.Add(e.TrackerKey)
			s.swarm.SetTicket(e.Ticket)
			s.log.Info("live", "link", s.Link())
		case signal.TicketRenewed:
			s.swarm.SetTicket(e.Ticket)
		case signal.Peers:
			_ = s.swarm.Introduce(s.host.Infos(e.Peers))
		}
	}
}

// report tells the tracker how the stream does.
func (s *Source) report(ctx context.Context) {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	var last uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		st := s.swarm.Stats()
		r := signal.Report{BytesUploaded: st.BytesUploaded}
		r.Carried = []signal.Carried{{
			Stream: s.Stream(), Kbps: uint32((st.BytesUploaded - last) * 8 / 1000 / uint64(reportInterval/time.Second)),
		}}
		last = st.BytesUploaded
		for _, ss := range st.Sessions {
			if ss.Role == wire.RoleEdge {
				r.Edges = append(r.Edges, ss.Peer)
			}
		}
		s.client.SendReport(r)
	}
}

func (s *Source) status() any { return peer.NewStatus(s.swarm.Stats(), s.cfg.Name, peer.StateLive) }

// output takes what the segmenter cuts.
type output struct{ s *Source }

func (o output) Catalog(c *wire.Catalog) error {
	mine := *c
	mine.Stream = o.s.Stream()
	return o.s.swarm.PublishCatalog(&mine)
}

func (o output) Fragment(f *live.Fragment) error { return o.s.swarm.Publish(f) }
