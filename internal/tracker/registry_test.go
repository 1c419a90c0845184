// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
)

// world drives a registry in virtual time and keeps what each connection was told.
type world struct {
	t    *testing.T
	r    *registry
	now  time.Time
	last connID
	told map[connID][]output

	asked map[signal.PeerID]int // connection requests
}

func newWorld(t *testing.T, s Strategy) *world {
	strategy, err := newStrategy(s)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return &world{
		t:    t,
		r:    newRegistry(strategy, rand.New(rand.NewPCG(1, 2)), func(x signal.Ticket) []byte { return signal.IssueTicket(key, x) }),
		now:  time.Unix(1_800_000_000, 0),
		told: make(map[connID][]output),

		asked: make(map[signal.PeerID]int),
	}
}

func (w *world) take(out []output) {
	for _, o := range out {
		w.told[o.to] = append(w.told[o.to], o)
	}
}

// mail returns what a connection was told since the last call.
func (w *world) mail(id connID) []output {
	m := w.told[id]
	delete(w.told, id)
	return m
}

func (w *world) kinds(id connID) []string {
	var kinds []string
	for _, o := range w.mail(id) {
		k := fmt.Sprintf("%T", o.msg.Body)[len("*signalpb.ServerMessage_"):]
		if o.last {
			k += "!"
		}
		kinds = append(kinds, k)
	}
	return kinds
}

func (w *world) wantKinds(who string, id connID, want ...string) {
	w.t.Helper()
	if got := w.kinds(id); !slices.Equal(got, want) {
		w.t.Errorf("%s was told %v, want %v", who, got, want)
	}
}

func (w *world) join(a announcement) (connID, *refusal) {
	w.last++
	if !a.observed.IsValid() {
		a.observed = netip.MustParseAddr("198.51.100.1")
	}
	out, no := w.r.join(w.now, w.last, a)
	w.take(out)
	return w.last, no
}

func (w *world) mustJoin(a announcement) connID {
	w.t.Helper()
	id, no := w.join(a)
	if no != nil {
		w.t.Fatalf("refused: %v", no)
	}
	return id
}

func (w *world) leave(id connID, bye bool)           { w.take(w.r.leave(w.now, id, bye)) }
func (w *world) report(id connID, rep signal.Report) { w.take(w.r.report(w.now, id, rep)) }
func (w *world) request(id connID, n int, ex ...byte) {
	w.take(w.r.requestPeers(w.now, id, n, peers(ex...)))
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.take(w.r.tick(w.now))
}

func peers(n ...byte) peerSet {
	set := make(peerSet)
	for _, b := range n {
		set[signal.PeerID{b}] = true
	}
	return set
}

func edge(n byte) announcement {
	return announcement{role: wire.RoleEdge, peer: signal.PeerID{n}, httpURL: fmt.Sprintf("http://edge%d", n)}
}

func source(n, key byte, name string) announcement {
	return announcement{role: wire.RoleSource, peer: signal.PeerID{n}, stream: signal.StreamID{key}, name: name}
}

func viewer(n byte, target string) announcement {
	return announcement{role: wire.RoleViewer, peer: signal.PeerID{n}, target: target}
}

func carrying(keys ...byte) signal.Report {
	var r signal.Report
	for _, k := range keys {
		r.Carried = append(r.Carried, signal.Carried{Stream: signal.StreamID{k}, Kbps: 2500})
	}
	return r
}

// idsOf are the first bytes of the peer ids in a Peers message.
func idsOf(o output) []byte {
	var ids []byte
	for _, p := range o.msg.GetPeers().GetPeers() {
		ids = append(ids, p.GetPeerId()[0])
	}
	slices.Sort(ids)
	return ids
}

func TestViewerOfALiveStream(t *testing.T) {
	w := newWorld(t, Random)
	e := w.mustJoin(edge(1))
	w.wantKinds("edge", e, "Welcome")
	s := w.mustJoin(source(2, 9, "radio"))
	mail := w.mail(s)
	if len(mail) != 2 || !slices.Equal(idsOf(mail[1]), []byte{1}) {
		t.Fatalf("source was told %v", mail)
	}
	w.report(e, carrying(9))

	v := w.mustJoin(viewer(3, "radio"))
	mail = w.mail(v)
	if len(mail) != 2 {
		t.Fatalf("viewer was told %v", mail)
	}
	welcome := mail[0].msg.GetWelcome()
	if welcome.GetState() != signalpb.State_STATE_LIVE || welcome.GetName() != "radio" {
		t.Errorf("welcome %v", welcome)
	}
	ticket, err := signal.ParseTicket(welcome.GetTicket())
	if err != nil || ticket.Stream != (signal.StreamID{9}) || ticket.Peer != (signal.PeerID{3}) || ticket.Role != wire.RoleViewer {
		t.Errorf("ticket %+v, %v", ticket, err)
	}
	if !slices.Equal(idsOf(mail[1]), []byte{1}) {
		t.Errorf("first viewer got peers %v, want the edge", idsOf(mail[1]))
	}

	// The second one comes by id, learns of the first, and the first of it.
	v2 := w.mustJoin(viewer(4, signal.StreamID{9}.String()))
	if mail = w.mail(v2); !slices.Equal(idsOf(mail[1]), []byte{1, 3}) {
		t.Errorf("second viewer got peers %v, want 1 and 3", idsOf(mail[1]))
	}
	if mail = w.mail(v); len(mail) != 1 || mail[0].msg.GetIntroduce().GetPeer().GetPeerId()[0] != 4 {
		t.Errorf("first viewer was told %v, want an introduction of 4", mail)
	}

	// One that wants edges only learns of nobody and nobody of it.
	shy := viewer(5, "radio")
	shy.edgeOnly = true
	v3 := w.mustJoin(shy)
	if mail = w.mail(v3); !slices.Equal(idsOf(mail[1]), []byte{1}) {
		t.Errorf("edge-only viewer got peers %v", idsOf(mail[1]))
	}
	w.request(v2, 32)
	if mail = w.mail(v2); !slices.Equal(idsOf(mail[0]), []byte{1, 3}) {
		t.Errorf("second viewer got peers %v on request, want 1 and 3", idsOf(mail[0]))
	}
	w.wantKinds("edge-only viewer", v3)

	// Those that a viewer has already are not repeated.
	w.request(v2, 32, 1, 3)
	if mail = w.mail(v2); len(idsOf(mail[0])) != 0 {
		t.Errorf("excluded peers came again: %v", idsOf(mail[0]))
	}
}

func TestViewerWaitsForTheStream(t *testing.T) {
	w := newWorld(t, Random)
	e := w.mustJoin(edge(1))
	v := w.mustJoin(viewer(3, "radio"))
	if got := w.mail(v)[0].msg.GetWelcome().GetState(); got != signalpb.State_STATE_UNKNOWN {
		t.Errorf("state %v, want unknown", got)
	}
	s := w.mustJoin(source(2, 9, "radio"))
	mail := w.mail(v)
	if len(mail) != 1 || mail[0].msg.GetStreamState().GetState() != signalpb.State_STATE_LIVE || len(mail[0].msg.GetStreamState().GetTicket()) == 0 {
		t.Fatalf("viewer was told %v, want live with a ticket", mail)
	}
	// The source says that the edge has it: that is enough to send viewers there.
	w.report(s, signal.Report{Edges: []signal.PeerID{{1}}})
	if mail = w.mail(v); len(mail) != 1 || !slices.Equal(idsOf(mail[0]), []byte{1}) {
		t.Fatalf("viewer was told %v, want the edge", mail)
	}
	w.report(e, carrying(9))
	w.wantKinds("viewer, after the edge's own report", v)

	w.leave(s, true)
	mail = w.mail(v)
	if len(mail) != 1 || mail[0].msg.GetStreamState().GetState() != signalpb.State_STATE_ENDED {
		t.Fatalf("viewer was told %v, want ended", mail)
	}
	late := w.mustJoin(viewer(4, "radio"))
	if got := w.mail(late)[0].msg.GetWelcome().GetState(); got != signalpb.State_STATE_ENDED {
		t.Errorf("late viewer's state %v, want ended", got)
	}
	// The name comes back with another key.
	w.mustJoin(source(5, 8, "radio"))
	if got := w.mail(v)[0].msg.GetStreamState().GetStreamId()[0]; got != 8 {
		t.Errorf("stream %d, want 8", got)
	}
}

func TestNameIsHeld(t *testing.T) {
	w := newWorld(t, Random)
	first := w.mustJoin(source(1, 9, "radio"))
	taken := func(when string, want bool) {
		t.Helper()
		id, no := w.join(source(2, 8, "radio"))
		if got := no != nil && no.code == signalpb.Code_CODE_NAME_TAKEN; got != want {
			t.Errorf("%s: refused %v, want %v", when, no, want)
		}
		if no == nil {
			w.leave(id, true)
		}
	}
	taken("live", true)
	w.leave(first, false)
	w.pass(holdName - time.Second)
	taken("source vanished 59 s ago", true)

	// The owner comes back in time, and its stream was live all along.
	since := w.r.streams[signal.StreamID{9}].since
	first = w.mustJoin(source(3, 9, "radio"))
	w.pass(time.Hour)
	if got := w.r.streams[signal.StreamID{9}].since; !got.Equal(since) {
		t.Errorf("since %v, want %v", got, since)
	}
	taken("live again", true)

	w.leave(first, false)
	w.pass(holdName)
	taken("source vanished 60 s ago", false)

	first = w.mustJoin(source(3, 9, "radio"))
	w.leave(first, true)
	taken("source said bye", false)
}

func TestSourceThatConnectsAgainReplacesItself(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer byte // of the second connection
	}{{"same peer", 1}, {"new process with the same stream key", 2}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Random)
			v := w.mustJoin(viewer(7, "radio"))
			old := w.mustJoin(source(1, 9, "radio"))
			w.mail(old)
			w.mail(v)
			second := w.mustJoin(source(tt.peer, 9, "radio"))
			w.wantKinds("old connection", old, "Error!")
			w.wantKinds("viewer", v)
			w.leave(old, false) // its session ends later: no effect
			if s := w.r.find("radio"); s == nil || s.source == nil || s.source.id != second {
				t.Errorf("stream %+v, want it with the second connection", s)
			}
		})
	}
}

func TestSourceRenamesItsStream(t *testing.T) {
	w := newWorld(t, Random)
	v := w.mustJoin(viewer(7, "radio"))
	w.mustJoin(source(1, 9, "radio"))
	w.mail(v)
	w.mustJoin(source(1, 9, "tv"))
	if w.r.find("radio") != nil || w.r.find("tv") == nil {
		t.Errorf("names %v", w.r.names)
	}
	mail := w.mail(v)
	if len(mail) != 1 || mail[0].msg.GetStreamState().GetState() != signalpb.State_STATE_ENDED {
		t.Errorf("viewer of the old name was told %v", mail)
	}
}

func TestEdgeDies(t *testing.T) {
	w := newWorld(t, MinWorkload)
	e1 := w.mustJoin(edge(1))
	s := w.mustJoin(source(5, 9, "radio"))
	w.report(e1, carrying(9))
	w.mail(s)

	// While another one is left the source is asked for nothing.
	e2 := w.mustJoin(edge(2))
	w.report(e2, carrying(9))
	w.leave(e1, false)
	w.wantKinds("source", s)

	// The last one is gone, and none is there: the next to come is offered.
	w.leave(e2, false)
	if mail := w.mail(s); len(mail) != 1 || len(idsOf(mail[0])) != 0 {
		t.Errorf("source was told %v, want an empty list", mail)
	}
	e3 := w.mustJoin(edge(3))
	if mail := w.mail(s); len(mail) != 1 || !slices.Equal(idsOf(mail[0]), []byte{3}) {
		t.Errorf("source was told %v, want edge 3", mail)
	}

	// An edge that reports to have lost the stream counts like one that died.
	w.report(e3, carrying(9))
	w.mustJoin(edge(4))
	w.report(e3, carrying())
	if mail := w.mail(s); len(mail) != 1 || !slices.Equal(idsOf(mail[0]), []byte{3, 4}) {
		t.Errorf("source was told %v, want edges 3 and 4", mail)
	}
}

func TestEdgeThatReconnectsKeepsItsStreams(t *testing.T) {
	w := newWorld(t, Random)
	old := w.mustJoin(edge(1))
	s := w.mustJoin(source(5, 9, "radio"))
	w.report(old, carrying(9))
	w.mail(s)
	w.mustJoin(edge(1))
	w.leave(old, false)
	w.wantKinds("source", s)
	if got := len(w.r.carriers(w.r.find("radio"))); got != 1 {
		t.Errorf("%d carriers, want 1", got)
	}
}

func TestTrackerRestartEdgeFirst(t *testing.T) {
	// After a restart an edge may report a stream before its source is back.
	w := newWorld(t, Random)
	e := w.mustJoin(edge(1))
	w.report(e, carrying(9))
	v := w.mustJoin(viewer(3, "radio"))
	w.mail(v)
	w.mustJoin(source(5, 9, "radio"))
	w.wantKinds("viewer", v, "StreamState", "Peers")
}

func TestCarry(t *testing.T) {
	w := newWorld(t, EdgeNodes)
	e1, e2 := w.mustJoin(edge(1)), w.mustJoin(edge(2))
	w.mustJoin(source(5, 9, "radio"))
	busy := carrying(9)
	busy.Load.Sessions = 10
	w.report(e1, busy)
	w.mail(e2)
	v := w.mustJoin(viewer(6, "radio"))
	if mail := w.mail(v); !slices.Equal(idsOf(mail[1]), []byte{1, 2}) {
		t.Errorf("viewer got %v, want both edges", idsOf(mail[1]))
	}
	mail := w.mail(e2)
	if len(mail) != 1 || mail[0].msg.GetCarry().GetPeers()[0].GetPeerId()[0] != 1 {
		t.Fatalf("idle edge was told %v, want to pull from edge 1", mail)
	}
	w.mustJoin(viewer(7, "radio"))
	w.wantKinds("idle edge, asked a moment ago", e2)
	w.pass(carryAgain)
	w.mustJoin(viewer(8, "radio"))
	w.wantKinds("idle edge, asked long ago", e2, "Carry")
}

func TestCarryWhenTheCarriersAreOutOfReach(t *testing.T) {
	w := newWorld(t, Random)
	e1, e2 := w.mustJoin(edge(1)), w.mustJoin(edge(2))
	w.mustJoin(source(5, 9, "radio"))
	w.report(e1, carrying(9))
	w.mail(e2)
	v := w.mustJoin(viewer(6, "radio"))
	w.mail(v)
	w.request(v, 4, 1)
	if mail := w.mail(v); !slices.Equal(idsOf(mail[0]), []byte{2}) {
		t.Errorf("viewer got %v, want edge 2", idsOf(mail[0]))
	}
	w.wantKinds("edge 2", e2, "Carry")
}

func TestTicketsAreRenewed(t *testing.T) {
	w := newWorld(t, Random)
	e := w.mustJoin(edge(1))
	s := w.mustJoin(source(2, 9, "radio"))
	v := w.mustJoin(viewer(3, "radio"))
	idle := w.mustJoin(viewer(4, "nothing"))
	w.told = make(map[connID][]output)
	w.pass(ticketLife/2 - time.Second)
	if len(w.told) != 0 {
		t.Errorf("told early: %v", w.told)
	}
	w.pass(time.Second)
	for who, id := range map[string]connID{"edge": e, "source": s, "viewer": v} {
		mail := w.mail(id)
		if len(mail) != 1 {
			t.Fatalf("%s was told %v", who, mail)
		}
		ticket, err := signal.ParseTicket(mail[0].msg.GetTicket().GetTicket())
		if err != nil || !ticket.Expires.Equal(w.now.Add(ticketLife)) {
			t.Errorf("%s's ticket %+v, %v", who, ticket, err)
		}
	}
	w.wantKinds("viewer of nothing", idle)
	w.pass(time.Second)
	if len(w.told) != 0 {
		t.Errorf("told twice: %v", w.told)
	}
}

func TestLocalAddressesStayAtHome(t *testing.T) {
	home, far, lan := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("10.0.0.5")
	m := &member{announcement: announcement{role: wire.RoleViewer, observed: home, addrs: []netip.AddrPort{
		netip.MustParseAddrPort("192.168.1.2:7"), netip.MustParseAddrPort("198.51.100.1:8"), netip.MustParseAddrPort("127.0.0.1:9"),
	}}}
	all := []string{"192.168.1.2:7", "198.51.100.1:8", "127.0.0.1:9"}
	public := []string{"198.51.100.1:8"}
	edge, inside := *m, *m
	edge.role, inside.observed = wire.RoleEdge, netip.MustParseAddr("192.168.1.2")
	for _, tt := range []struct {
		name string
		of   *member
		to   netip.Addr
		want []string
	}{
		{"behind the same address", m, home, all},
		{"elsewhere", m, far, public},
		{"both in the tracker's networks", &inside, lan, all},
		{"from the tracker's network to outside", &inside, far, public},
		{"an edge is public", &edge, far, all},
	} {
		got := tt.of.infoFor(&member{announcement: announcement{observed: tt.to}}).GetUdpAddrs()
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCleanAddrs(t *testing.T) {
	in := []netip.AddrPort{}
	for _, s := range []string{"0.0.0.0:7100", "[::]:7100", "[::]:7200", "224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1", "192.0.2.1:0", "192.0.2.1:1"} {
		in = append(in, netip.MustParseAddrPort(s))
	}
	want := []string{"198.51.100.1:7100", "198.51.100.1:7200", "192.0.2.1:1"}
	if got := signal.FormatAddrs(cleanAddrs(in, netip.MustParseAddr("198.51.100.1"))); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestViewsTellNoViewers(t *testing.T) {
	w := newWorld(t, Random)
	e := w.mustJoin(edge(1))
	w.mustJoin(source(2, 9, "radio"))
	w.report(e, carrying(9))
	w.mustJoin(viewer(3, "radio"))
	w.mustJoin(viewer(4, signal.StreamID{9}.String()))
	list := w.r.streamViews()
	if len(list) != 1 || list[0].Viewers != 2 || list[0].Edges != 1 || list[0].Kbps != 2500 {
		t.Errorf("streams %+v", list)
	}
	d, ok := w.r.streamDetail("radio")
	if !ok || d.Viewers != 2 || len(d.Edges) != 1 || d.Edges[0].HTTPURL != "http://edge1" {
		t.Errorf("stream %+v", d)
	}
	n := w.r.nodes()
	if n.Sources != 1 || n.Viewers != 2 || len(n.Edges) != 1 || n.Edges[0].Streams != 1 {
		t.Errorf("nodes %+v", n)
	}
}

func TestStateIsBounded(t *testing.T) {
	w := newWorld(t, Random)
	for i := range maxEdges + 5 {
		a := edge(0)
		a.peer = signal.PeerID{byte(i), byte(i >> 8), 1}
		if _, no := w.join(a); (no != nil) != (i >= maxEdges) {
			t.Fatalf("edge %d: %v", i, no)
		}
	}
	for i := range maxRecent + 5 {
		w.r.ended.add(fmt.Sprint(i))
	}
	if len(w.r.ended.set) != maxRecent || w.r.ended.has("4") || !w.r.ended.has("5") {
		t.Errorf("%d names remembered", len(w.r.ended.set))
	}
}
