// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/rudp"
)

// raw is a WebSocket that may send anything.
type raw struct {
	*websocket.Conn
	t     *testing.T
	ctx   context.Context
	hello *signalpb.Hello
}

func dialRaw(t *testing.T, tr *Tracker) *raw {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, tr.url()+signal.ConnectPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	r := &raw{Conn: ws, t: t, ctx: ctx}
	r.hello = r.next().GetHello()
	if r.hello == nil {
		t.Fatal("no hello")
	}
	return r
}

// next is the tracker's next message, nil when it has closed.
func (r *raw) next() *signalpb.ServerMessage {
	r.t.Helper()
	_, b, err := r.Read(r.ctx)
	if err != nil {
		if r.ctx.Err() != nil {
			r.t.Fatal("the tracker does not close")
		}
		return nil
	}
	m := new(signalpb.ServerMessage)
	if err := proto.Unmarshal(b, m); err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *raw) send(m *signalpb.ClientMessage) {
	r.t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.Write(r.ctx, websocket.MessageBinary, b); err != nil {
		r.t.Fatal(err)
	}
}

// counted is the value of a counter without labels.
func (t *Tracker) counted(tb testing.TB, name string) float64 {
	families, err := t.metrics.registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	tb.Fatalf("no metric %s", name)
	return 0
}

// announce makes a viewer's true announce.
func (r *raw) announce() *signalpb.Announce {
	identity, err := rudp.NewIdentity()
	if err != nil {
		r.t.Fatal(err)
	}
	id := identity.ID()
	c := signal.Challenge{Nonce: r.hello.GetNonce(), TrackerKey: ed25519.PublicKey(r.hello.GetTrackerKey()), Peer: signal.PeerID(id)}
	proof, err := c.ProveIdentity(identity, rudp.PeerID(r.hello.GetChallengeKey()))
	if err != nil {
		r.t.Fatal(err)
	}
	return &signalpb.Announce{
		ProtocolVersion: signal.ProtocolVersion, PeerId: id[:], IdentityProof: proof,
		Role: &signalpb.Announce_Viewer_{Viewer: &signalpb.Announce_Viewer{Stream: "radio"}},
	}
}

func announceMessage(a *signalpb.Announce) *signalpb.ClientMessage {
	return &signalpb.ClientMessage{Body: &signalpb.ClientMessage_Announce{Announce: a}}
}

// drain reads until the tracker closes, and returns the last error message.
func (r *raw) drain() *signalpb.Error {
	r.t.Helper()
	var last *signalpb.Error
	for m := r.next(); m != nil; m = r.next() {
		if e := m.GetError(); e != nil {
			last = e
		}
	}
	return last
}

// told reads to the first error message or the end, and closes as a client does.
func (r *raw) told() *signalpb.Error {
	r.t.Helper()
	defer r.CloseNow()
	for m := r.next(); m != nil; m = r.next() {
		if e := m.GetError(); e != nil {
			return e
		}
	}
	return nil
}

func TestAbuseBeforeAnnounce(t *testing.T) {
	tr, _ := serve(t, Config{})
	for _, tt := range []struct {
		name  string
		abuse func(r *raw)
		code  signalpb.Code // 0: closed without a word
	}{
		{"rubbish", func(r *raw) {
			_ = r.Write(r.ctx, websocket.MessageBinary, bytes.Repeat([]byte{0xff}, 100))
		}, signalpb.Code_CODE_BAD_MESSAGE},
		{"empty", func(r *raw) { _ = r.Write(r.ctx, websocket.MessageBinary, nil) }, signalpb.Code_CODE_BAD_MESSAGE},
		{"text", func(r *raw) { _ = r.Write(r.ctx, websocket.MessageText, []byte("hello")) }, signalpb.Code_CODE_BAD_MESSAGE},
		{"huge", func(r *raw) { _ = r.Write(r.ctx, websocket.MessageBinary, make([]byte, signal.MaxMessage+1)) }, 0},
		{"report first", func(r *raw) { r.send(&signalpb.ClientMessage{Body: &signalpb.ClientMessage_Report{}}) }, signalpb.Code_CODE_BAD_MESSAGE},
		{"no role", func(r *raw) {
			a := r.announce()
			a.Role = nil
			r.send(announceMessage(a))
		}, signalpb.Code_CODE_BAD_MESSAGE},
		{"another version", func(r *raw) {
			a := r.announce()
			a.ProtocolVersion = 99
			r.send(announceMessage(a))
		}, signalpb.Code_CODE_BAD_VERSION},
		{"somebody else's peer id", func(r *raw) {
			a := r.announce()
			a.PeerId = r.announce().PeerId
			r.send(announceMessage(a))
		}, signalpb.Code_CODE_BAD_IDENTITY},
		{"a peer id of low order", func(r *raw) {
			a := r.announce()
			a.PeerId = make([]byte, 32)
			r.send(announceMessage(a))
		}, signalpb.Code_CODE_BAD_IDENTITY},
		{"somebody else's stream", func(r *raw) {
			a := r.announce()
			a.Role = &signalpb.Announce_Source_{Source: &signalpb.Announce_Source{
				Name: "radio", StreamKey: streamKey(1).Public().(ed25519.PublicKey), Signature: make([]byte, 64),
			}}
			r.send(announceMessage(a))
		}, signalpb.Code_CODE_BAD_SIGNATURE},
		{"nothing", func(*raw) {}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := dialRaw(t, tr)
			began := time.Now()
			tt.abuse(r)
			if got := r.told().GetCode(); got != tt.code {
				t.Errorf("told %v, want %v", got, tt.code)
			}
			if d := time.Since(began); d > signal.HandshakeTimeout+2*time.Second {
				t.Errorf("closed after %v", d)
			}
		})
	}
}

// TestSlowSender begins a message and does not end it.
func TestSlowSender(t *testing.T) {
	t.Parallel()
	tr, _ := serve(t, Config{})
	c, err := net.Dial("tcp", tr.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	request := "GET " + signal.ConnectPath + " HTTP/1.1\r\nHost: tracker\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	began := time.Now()
	// A masked binary frame of 100 bytes, of which three come.
	if _, err := c.Write(append([]byte(request), 0x82, 0x80|100, 1, 2, 3, 4, 'a', 'b', 'c')); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || !bytes.Contains(b, []byte("101 Switching Protocols")) {
		t.Errorf("%q: %v", b, err)
	}
	if d := time.Since(began); d > signal.HandshakeTimeout+time.Second {
		t.Errorf("closed after %v", d)
	}
}

func TestAbuseAfterAnnounce(t *testing.T) {
	tr, _ := serve(t, Config{})
	long := make([][]byte, signal.MaxExclude+1)
	for i := range long {
		long[i] = make([]byte, 32)
	}
	tests := []struct {
		name string
		msg  *signalpb.ClientMessage
	}{
		{"announce again", announceMessage(&signalpb.Announce{})},
		{"too many exclusions", &signalpb.ClientMessage{Body: &signalpb.ClientMessage_PeersRequest{PeersRequest: &signalpb.PeersRequest{Exclude: long}}}},
		{"an exclusion that is no id", &signalpb.ClientMessage{Body: &signalpb.ClientMessage_PeersRequest{PeersRequest: &signalpb.PeersRequest{Exclude: [][]byte{{1}}}}}},
		{"a report of no stream", &signalpb.ClientMessage{Body: &signalpb.ClientMessage_Report{Report: &signalpb.Report{Carried: []*signalpb.Carried{{}}}}}},
		{"a report of too many edges", &signalpb.ClientMessage{Body: &signalpb.ClientMessage_Report{Report: &signalpb.Report{Edges: long}}}},
		{"an accusation of nobody", &signalpb.ClientMessage{Body: &signalpb.ClientMessage_BadPiece{BadPiece: &signalpb.BadPiece{}}}},
	}
	t.Run("group", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				r := dialRaw(t, tr)
				r.send(announceMessage(r.announce()))
				if r.next().GetWelcome() == nil {
					t.Fatal("no welcome")
				}
				r.send(tt.msg)
				if got := r.told().GetCode(); got != signalpb.Code_CODE_BAD_MESSAGE {
					t.Errorf("told %v", got)
				}
			})
		}
	})
	if got := tr.counted(t, "p2plive_tracker_malformed_total"); got != float64(len(tests)) {
		t.Errorf("%v counted as malformed, want %d", got, len(tests))
	}
}

func TestFloodOfMessages(t *testing.T) {
	tr, _ := serve(t, Config{})
	r := dialRaw(t, tr)
	r.send(announceMessage(r.announce()))
	b, err := proto.Marshal(&signalpb.ClientMessage{Body: &signalpb.ClientMessage_PeersRequest{PeersRequest: &signalpb.PeersRequest{}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 * messageBurst {
		if r.Write(r.ctx, websocket.MessageBinary, b) != nil {
			break
		}
	}
	if e := r.drain(); e.GetCode() != signalpb.Code_CODE_RATE_LIMITED || e.GetFatal() {
		t.Errorf("told %v", e)
	}
}

// TestSlowReaderIsDropped fills the queue of a peer that does not read, through
// the registry: the others must not notice.
func TestSlowReaderIsDropped(t *testing.T) {
	tr, _ := serve(t, Config{})
	slow := dialRaw(t, tr)
	slow.send(announceMessage(slow.announce()))
	if slow.next().GetWelcome() == nil {
		t.Fatal("no welcome")
	}
	big := &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Bye{Bye: &signalpb.Bye{Reason: strings.Repeat("x", 60<<10)}}}
	deadline := time.Now().Add(patience)
	for tr.counted(t, "p2plive_tracker_slow_total") == 0 {
		if time.Now().After(deadline) {
			t.Fatal("not dropped")
		}
		tr.mu.Lock()
		for id := range tr.sessions {
			tr.deliver([]output{{to: id, msg: big}})
		}
		tr.mu.Unlock()
	}
	wait[signal.Welcome](connect(t, tr.url(), aViewer("radio")))
}

func TestAccusationsAreLoggedOnce(t *testing.T) {
	tr, _ := serve(t, Config{})
	c := connect(t, tr.url(), aViewer("radio"))
	wait[signal.Welcome](c)
	for range 3 {
		c.ReportBadPiece(signal.PeerID{1}, make([]byte, signal.MaxEvidence+1))
	}
	c.RequestPeers(1)
	wait[signal.Peers](c) // the accusations have been handled before
	if got := tr.counted(t, "p2plive_tracker_bad_pieces_total"); got != 3 || len(tr.polluters) != 1 {
		t.Errorf("%v accusations of %d peers", got, len(tr.polluters))
	}
}

func TestGuard(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	g := newGuard()
	home := netip.MustParseAddr("2001:db8:0:1::1")
	allowed := 0
	for i := range 2 * connectBurst {
		// One customer has a whole /64.
		ip := home
		if i%2 == 0 {
			ip = netip.MustParseAddr("2001:db8:0:1:ffff::2")
		}
		if g.connect(now, ip) {
			allowed++
		}
	}
	if allowed != connectBurst {
		t.Errorf("%d connections at once, want %d", allowed, connectBurst)
	}
	if !g.connect(now, netip.MustParseAddr("2001:db8:0:2::1")) {
		t.Error("a neighbour is turned away")
	}
	for range allowed {
		g.disconnect(home)
	}
	g.disconnect(netip.MustParseAddr("2001:db8:0:2::1"))
	g.sweep(now.Add(time.Minute))
	if len(g.ips) != 0 || g.total != 0 {
		t.Errorf("%d addresses and %d connections left", len(g.ips), g.total)
	}
	for i := range maxIPs {
		g.request(now, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if g.request(now, home) || len(g.ips) != maxIPs {
		t.Errorf("%d addresses in the table", len(g.ips))
	}
}

// FuzzClientMessage feeds a tracker's door and registry what a hostile peer
// could send, before and after its announce.
func FuzzClientMessage(f *testing.F) {
	id := make([]byte, 32)
	for _, m := range []*signalpb.ClientMessage{
		announceMessage(&signalpb.Announce{ProtocolVersion: 1, PeerId: id, UdpAddrs: []string{"0.0.0.0:1"}, Role: &signalpb.Announce_Edge_{Edge: &signalpb.Announce_Edge{HttpUrl: "http://a"}}}),
		announceMessage(&signalpb.Announce{ProtocolVersion: 1, PeerId: id, Role: &signalpb.Announce_Source_{Source: &signalpb.Announce_Source{Name: "a", StreamKey: id, Signature: make([]byte, 64)}}}),
		announceMessage(&signalpb.Announce{ProtocolVersion: 1, PeerId: id, Role: &signalpb.Announce_Viewer_{Viewer: &signalpb.Announce_Viewer{Stream: "a"}}}),
		{Body: &signalpb.ClientMessage_Addresses{Addresses: &signalpb.Addresses{UdpAddrs: []string{"192.0.2.1:1"}}}},
		{Body: &signalpb.ClientMessage_PeersRequest{PeersRequest: &signalpb.PeersRequest{Count: 5, Exclude: [][]byte{id}}}},
		{Body: &signalpb.ClientMessage_Report{Report: &signalpb.Report{Carried: []*signalpb.Carried{{StreamId: id}}, Edges: [][]byte{id}}}},
		{Body: &signalpb.ClientMessage_BadPiece{BadPiece: &signalpb.BadPiece{Polluter: id, Evidence: id}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	challenge, err := rudp.NewIdentity()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWorld(t, EdgeNodes)
		w.r.ticket = func(signal.Ticket) []byte { return nil }
		observed := netip.MustParseAddr("127.0.0.1")
		tr := &Tracker{reg: w.r, metrics: newMetrics(), polluters: map[signal.PeerID]bool{}, log: slog.New(slog.DiscardHandler)}
		ids := []connID{w.mustJoin(edge(1)), w.mustJoin(source(2, 3, "radio")), w.mustJoin(viewer(4, "radio"))}
		m, err := decodeClient(b)
		if err != nil {
			return
		}
		if a := m.GetAnnounce(); a != nil {
			got, no := door{}.check(a, signal.Challenge{}, challenge, observed)
			if no == nil {
				t.Fatalf("let in without a proof: %+v", got)
			}
			return
		}
		for _, id := range ids {
			s := &session{t: tr, id: id, ip: observed}
			_ = s.handle(m)
		}
		checkConsistent(t, w.r)
		for _, member := range w.r.members {
			if len(member.addrs) > signal.MaxAddrs {
				t.Fatalf("%d addresses", len(member.addrs))
			}
		}
	})
}
