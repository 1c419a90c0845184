// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/rudp"
)

const patience = 10 * time.Second

// serve runs a tracker on loopback until the test, or stop, ends it.
func serve(t *testing.T, cfg Config) (tr *Tracker, stop func()) {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	cfg.UDP = "127.0.0.1:0"
	cfg.Logger = slog.New(slog.DiscardHandler)
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(patience):
			t.Error("tracker does not stop")
		}
	})
	t.Cleanup(stop)
	return tr, stop
}

func (t *Tracker) url() string { return "http://" + t.HTTPAddr().String() }

// client is a running signal.Client whose events the test reads.
type client struct {
	*signal.Client
	t      *testing.T
	id     signal.PeerID
	result chan error
	stop   func()
}

func connect(t *testing.T, url string, a signal.Announce) *client {
	t.Helper()
	identity, err := rudp.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return connectAs(t, url, identity, a)
}

func connectAs(t *testing.T, url string, identity rudp.Identity, a signal.Announce) *client {
	t.Helper()
	if a.UDPAddrs == nil {
		a.UDPAddrs = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:7100")}
	}
	sc, err := signal.NewClient(signal.Config{
		URL:      url,
		Identity: identity,
		Announce: func(context.Context, signal.Hello) (signal.Announce, error) { return a, nil },
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{Client: sc, t: t, id: signal.PeerID(identity.ID()), result: make(chan error, 1)}
	go func() { c.result <- sc.Run(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		for range sc.Events() { // until Run closes it
		}
	})
	t.Cleanup(c.stop)
	return c
}

// wait returns the next event of type E and skips others.
func wait[E signal.Event](c *client) E {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case ev, ok := <-c.Events():
			if !ok {
				c.t.Fatalf("client ended while waiting for %T", *new(E))
			}
			if e, ok := ev.(E); ok {
				return e
			}
		case <-timeout:
			c.t.Fatalf("no %T", *new(E))
		}
	}
}

func peerIDs(p signal.Peers) []signal.PeerID {
	var ids []signal.PeerID
	for _, x := range p.Peers {
		ids = append(ids, x.ID)
	}
	return ids
}

func streamKey(seed byte) ed25519.PrivateKey {
	b := make([]byte, ed25519.SeedSize)
	b[0] = seed
	return ed25519.NewKeyFromSeed(b)
}

func anEdge(key string) signal.Announce {
	return signal.Announce{Edge: &signal.EdgeAnnounce{Key: []byte(key), HTTPURL: "http://127.0.0.1:7180"}}
}

func aSource(name string, seed byte, key string) signal.Announce {
	return signal.Announce{Source: &signal.SourceAnnounce{Name: name, Stream: streamKey(seed), PublishKey: []byte(key)}}
}

func aViewer(stream string) signal.Announce {
	return signal.Announce{Viewer: &signal.ViewerAnnounce{Stream: stream}}
}

func TestStreamFromSourceToViewers(t *testing.T) {
	tr, _ := serve(t, Config{EdgeKey: []byte("edge secret"), PublishKey: []byte("publish secret")})
	viewer := connect(t, tr.url(), aViewer("Radio"))
	if w := wait[signal.Welcome](viewer); w.State != signal.StateUnknown || w.Ticket != nil || w.TrackerUDP != tr.UDPAddr().String() {
		t.Errorf("viewer's welcome %+v", w)
	}
	edge := connect(t, tr.url(), anEdge("edge secret"))
	if w := wait[signal.Welcome](edge); w.ObservedIP != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("edge's welcome %+v", w)
	}
	source := connect(t, tr.url(), aSource("radio", 1, "publish secret"))
	welcome := wait[signal.Welcome](source)
	if welcome.Stream != signal.StreamID(streamKey(1).Public().(ed25519.PublicKey)) {
		t.Errorf("source's welcome %+v", welcome)
	}
	if p := wait[signal.Peers](source); !slices.Equal(peerIDs(p), []signal.PeerID{edge.id}) ||
		!slices.Equal(p.Peers[0].Addrs, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:7100")}) {
		t.Errorf("source got %+v, want the edge with its observed address", p)
	}
	state := wait[signal.StreamState](viewer)
	if state.State != signal.StateLive || state.Stream != welcome.Stream {
		t.Errorf("viewer's state %+v", state)
	}
	ticket, err := signal.VerifyTicket(tr.Key(), state.Ticket, viewer.id, time.Now())
	if err != nil || !ticket.Admits(welcome.Stream) {
		t.Errorf("viewer's ticket %+v: %v", ticket, err)
	}

	edge.SendReport(signal.Report{Carried: []signal.Carried{{Stream: welcome.Stream}}})
	if p := wait[signal.Peers](viewer); !slices.Equal(peerIDs(p), []signal.PeerID{edge.id}) {
		t.Errorf("viewer got %+v, want the edge", p)
	}
	second := connect(t, tr.url(), aViewer(welcome.Stream.String()))
	if p := wait[signal.Peers](second); !slices.Contains(peerIDs(p), viewer.id) {
		t.Errorf("second viewer got %+v, want the first one too", p)
	}
	if i := wait[signal.Introduce](viewer); i.Peer.ID != second.id || i.Stream != welcome.Stream {
		t.Errorf("first viewer got %+v, want the second one", i)
	}
	second.RequestPeers(8, edge.id)
	if p := wait[signal.Peers](second); !slices.Equal(peerIDs(p), []signal.PeerID{edge.id, viewer.id}) &&
		!slices.Equal(peerIDs(p), []signal.PeerID{viewer.id}) {
		t.Errorf("second viewer got %+v on request", p)
	}

	source.stop()
	if err := <-source.result; err != nil {
		t.Errorf("source: %v", err)
	}
	if s := wait[signal.StreamState](viewer); s.State != signal.StateEnded {
		t.Errorf("viewer's state %+v, want ended as soon as the source has said bye", s)
	}
}

func TestRejections(t *testing.T) {
	tr, _ := serve(t, Config{EdgeKey: []byte("edge secret"), PublishKey: []byte("publish secret")})
	owner := connect(t, tr.url(), aSource("radio", 1, "publish secret"))
	wait[signal.Welcome](owner)
	for _, tt := range []struct {
		name string
		a    signal.Announce
		code signal.Code
	}{
		{"wrong edge key", anEdge("guess"), signalpb.Code_CODE_WRONG_EDGE_KEY},
		{"no edge key", anEdge(""), signalpb.Code_CODE_WRONG_EDGE_KEY},
		{"publish key as edge key", anEdge("publish secret"), signalpb.Code_CODE_WRONG_EDGE_KEY},
		{"wrong publish key", aSource("tv", 2, "guess"), signalpb.Code_CODE_WRONG_PUBLISH_KEY},
		{"no publish key", aSource("tv", 2, ""), signalpb.Code_CODE_WRONG_PUBLISH_KEY},
		{"name of another key", aSource("radio", 2, "publish secret"), signalpb.Code_CODE_NAME_TAKEN},
		{"bad name", aSource("Radio One", 2, "publish secret"), signalpb.Code_CODE_BAD_NAME},
		{"viewer's bad name", aViewer("../x"), signalpb.Code_CODE_BAD_NAME},
		{"edge's bad address", signal.Announce{Edge: &signal.EdgeAnnounce{Key: []byte("edge secret"), HTTPURL: "javascript:x"}}, signalpb.Code_CODE_BAD_MESSAGE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, tr.url(), tt.a)
			rejected := wait[signal.Rejected](c)
			var err *signal.RejectedError
			if !errors.As(<-c.result, &err) || err != rejected.Err || err.Code != tt.code || err.Text == "" {
				t.Errorf("got %+v, want %v", err, tt.code)
			}
		})
	}
	if list := tr.reg.streamViews(); len(list) != 1 {
		t.Errorf("streams %+v", list)
	}
}

func TestClientComesBackAfterATrackerRestart(t *testing.T) {
	tr, stop := serve(t, Config{})
	addr := tr.HTTPAddr().String()
	edge := connect(t, tr.url(), anEdge(""))
	source := connect(t, tr.url(), aSource("radio", 1, ""))
	first := wait[signal.Welcome](source)
	wait[signal.Welcome](edge)
	stop()
	for _, c := range []*client{edge, source} {
		if d := wait[signal.Disconnected](c); d.Err == nil {
			t.Error("disconnected without a reason")
		}
	}
	again, _ := serve(t, Config{Listen: addr})
	second := wait[signal.Welcome](source)
	wait[signal.Welcome](edge)
	if second.Stream != first.Stream || second.TrackerKey.Equal(first.TrackerKey) {
		t.Errorf("welcome %+v after %+v: want the stream and another tracker key", second, first)
	}
	if got := again.streamNames(); !slices.Equal(got, []string{"radio"}) {
		t.Errorf("streams %v", got)
	}
}

func (t *Tracker) streamNames() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for _, s := range t.reg.streamViews() {
		names = append(names, s.Name)
	}
	return names
}

func TestClientWaitsForATracker(t *testing.T) {
	tr, stop := serve(t, Config{})
	url, addr := tr.url(), tr.HTTPAddr().String()
	stop()
	c := connect(t, url, aViewer("radio"))
	if err := c.FirstTry(context.Background()); !errors.Is(err, signal.ErrUnreachable) {
		t.Errorf("first try: %v", err)
	}
	if d := wait[signal.Disconnected](c); !errors.Is(d.Err, signal.ErrUnreachable) {
		t.Errorf("disconnected: %v", d.Err)
	}
	serve(t, Config{Listen: addr})
	wait[signal.Welcome](c)
	if err := c.FirstTry(context.Background()); err != nil {
		t.Errorf("first try: %v", err)
	}
}

func TestSamePeerTwice(t *testing.T) {
	tr, _ := serve(t, Config{})
	identity, err := rudp.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	old := connectAs(t, tr.url(), identity, anEdge(""))
	wait[signal.Welcome](old)
	young := connectAs(t, tr.url(), identity, anEdge(""))
	wait[signal.Welcome](young)
	if r := wait[signal.Rejected](old); r.Err.Code != signalpb.Code_CODE_REPLACED {
		t.Errorf("rejected: %v", r.Err)
	}
	if n := tr.nodeCount(); n != 1 {
		t.Errorf("%d edges", n)
	}
}

func (t *Tracker) nodeCount() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.reg.nodes().Edges)
}

func TestStopIsQuick(t *testing.T) {
	tr, stop := serve(t, Config{})
	for range 20 {
		wait[signal.Welcome](connect(t, tr.url(), aViewer("radio")))
	}
	dialRaw(t, tr) // one that neither speaks nor reads
	began := time.Now()
	stop()
	if d := time.Since(began); d > goodbyeTimeout {
		t.Errorf("stopping took %v", d)
	}
}

func TestPortInUse(t *testing.T) {
	tr, _ := serve(t, Config{})
	for _, cfg := range []Config{
		{Listen: tr.HTTPAddr().String(), UDP: NoUDP},
		{Listen: "127.0.0.1:0", UDP: tr.UDPAddr().String()},
	} {
		second, err := New(cfg)
		if err == nil {
			second.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("error %v, want that the address is in use", err)
		}
	}
}
