// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/signal"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
	"p2plive/test/e2e/proc"
)

// spy is a viewer that plays nothing and writes down whatever anybody tells it of other peers.
type spy struct {
	t        *testing.T
	endpoint *rudp.Endpoint
	client   *signal.Client
	ctx      context.Context
	running  sync.WaitGroup

	mu     sync.Mutex
	stream wire.StreamID
	ticket []byte
	asked  map[wire.PeerID]bool      // edges that it has a session with
	byWhom map[netip.AddrPort]string // the addresses of viewers, and who has told of them first
	edges  map[netip.AddrPort]bool   // of those, told by an edge too
}

func newSpy(t *testing.T, link string) *spy {
	s := &spy{
		t: t, asked: make(map[wire.PeerID]bool), byWhom: make(map[netip.AddrPort]string), edges: make(map[netip.AddrPort]bool),
	}
	tracker, stream, err := signal.ParseLink(link)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := rudp.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.endpoint, err = rudp.Listen(pc, rudp.Config{Identity: identity}); err != nil {
		t.Fatal(err)
	}
	if s.client, err = signal.NewClient(signal.Config{
		URL: tracker, Identity: identity, Logger: slog.New(slog.DiscardHandler),
		Announce: func(context.Context, signal.Hello) (signal.Announce, error) {
			return signal.Announce{
				UDPAddrs: []netip.AddrPort{s.endpoint.LocalAddr()}, Viewer: &signal.ViewerAnnounce{Stream: stream},
			}, nil
		},
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx = ctx
	s.running.Go(func() { _ = s.client.Run(ctx) })
	s.running.Go(s.listen)
	s.running.Go(s.ask)
	t.Cleanup(func() {
		cancel()
		s.endpoint.Close()
		s.running.Wait()
	})
	return s
}

// ask asks the tracker for as many peers as it gives, all the time.
func (s *spy) ask() {
	for s.ctx.Err() == nil {
		s.client.RequestPeers(signal.MaxPeersRequest)
		select {
		case <-time.After(300 * time.Millisecond):
		case <-s.ctx.Done():
		}
	}
}

// listen takes what the tracker says.
func (s *spy) listen() {
	for ev := range s.client.Events() {
		switch e := ev.(type) {
		case signal.Welcome:
			s.mu.Lock()
			s.stream, s.ticket = e.Stream, e.Ticket
			s.mu.Unlock()
		case signal.Peers:
			for _, p := range e.Peers {
				s.hear("the tracker", wire.PeerInfo{ID: p.ID, Role: p.Role, Addrs: p.Addrs})
			}
		case signal.Introduce:
			s.hear("the tracker", wire.PeerInfo{ID: e.Peer.ID, Role: e.Peer.Role, Addrs: e.Peer.Addrs})
		case signal.Punch:
			s.hear("the tracker", wire.PeerInfo{ID: e.Peer.ID, Role: wire.RoleViewer, Addrs: append(e.Peer.Addrs, e.Seen)})
		}
	}
}

// hear notes where a viewer is, and goes to every other peer to hear more.
func (s *spy) hear(from string, p wire.PeerInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Role == wire.RoleViewer {
		for _, addr := range p.Addrs {
			if s.byWhom[addr] == "" {
				s.byWhom[addr] = from
			}
			s.edges[addr] = s.edges[addr] || from == "an edge"
		}
		return
	}
	if !s.asked[p.ID] && len(p.Addrs) > 0 {
		s.asked[p.ID] = true
		s.running.Go(func() {
			err := s.join(p) // until the edge has had enough of a peer that says nothing; then it asks again
			if !errors.Is(err, net.ErrClosed) && s.ctx.Err() == nil {
				s.t.Errorf("session with the edge: %v", err)
			}
			s.mu.Lock()
			delete(s.asked, p.ID)
			s.mu.Unlock()
		})
	}
}

// join opens a session with an edge and takes a place in every tree, for the names that come with it.
func (s *spy) join(p wire.PeerInfo) error {
	conn, err := s.endpoint.Dial(s.ctx, p.Addrs[0], rudp.PeerID(p.ID))
	if err != nil {
		return err
	}
	s.mu.Lock()
	hello := &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleViewer, Stream: s.stream, Ticket: s.ticket}
	s.mu.Unlock()
	control := conn.Channel(0)
	if err := control.TrySend(wire.Append(nil, hello)); err != nil {
		return err
	}
	for {
		m, err := conn.Recv(s.ctx)
		if err != nil {
			return err
		}
		msg, err := wire.Parse(m.Data)
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *wire.SignedCatalog:
			err = s.subscribe(control, hello.Stream, msg)
		case *wire.Accept:
			s.hearAll(msg.Others)
		case *wire.Refuse:
			s.hearAll(msg.Others)
		case *wire.Peers:
			s.hearAll(msg.Peers)
		}
		if err != nil {
			return err
		}
	}
}

func (s *spy) hearAll(peers []wire.PeerInfo) {
	for _, p := range peers {
		s.hear("an edge", p)
	}
}

func (s *spy) subscribe(control *rudp.Channel, stream wire.StreamID, signed *wire.SignedCatalog) error {
	c, err := live.OpenCatalog(stream, signed)
	if err != nil {
		return err
	}
	for _, t := range c.Tracks {
		for sub := range t.Substreams {
			m := &wire.Subscribe{Epoch: c.Epoch.Tag(), Tree: wire.Tree{Track: t.ID, Substream: wire.Substream(sub)}}
			err = errors.Join(err, control.TrySend(wire.Append(nil, m)))
		}
	}
	return err
}

// knows tells who has told where a viewer is, and whether an edge has; "": nobody.
func (s *spy) knows(addr string) (from string, edge bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := netip.MustParseAddrPort(addr)
	return s.byWhom[a], s.edges[a]
}

// TestEdgeOnly: nobody is told of a viewer that takes the stream from edges only, neither by the tracker, nor by an edge
// that has all the others' addresses to give, nor by viewers; it has sessions with edges alone, and plays.
func TestEdgeOnly(t *testing.T) {
	t.Parallel()
	n := checked(t).network("demo")
	shy := n.viewer("shy viewer", n.link, "--edge-only")
	shy.awaitPlaying(t, time.Now(), playTime)
	others := n.viewers(4)
	spy := newSpy(t, n.link)
	proc.Eventually(t, playTime, "the spy knows the other viewers, and an edge has named one", func() error {
		named := false
		for _, v := range others {
			from, edge := spy.knows(v.udp)
			if from == "" {
				return errors.New(v.Name + " is not known")
			}
			named = named || edge
		}
		if !named {
			return errors.New("no edge has named anybody")
		}
		return nil
	})
	late := n.viewer("late viewer", n.link)
	late.awaitPlaying(t, time.Now(), playTime)
	shy.awaitPlaying(t, time.Now(), startTime)

	if from, _ := spy.knows(shy.udp); from != "" {
		t.Errorf("%s has told of the viewer", from)
	}
	for _, v := range append(others, late) {
		for _, s := range v.statuses(t) {
			if s.hasPeerAt(shy.udp) {
				t.Fatalf("%s has a session with it", v.Name)
			}
		}
	}
	for _, s := range shy.statuses(t) {
		if s.hasRole("viewer") || s.BytesFromPeers > 0 || s.BytesUploaded > 0 {
			t.Fatalf("it has to do with other viewers: %+v", s)
		}
	}
}
