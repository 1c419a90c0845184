// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"crypto/ed25519"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

const (
	live   = signalpb.State_STATE_LIVE
	queued = signalpb.State_STATE_QUEUED
)

// numbered is a viewer of "radio" behind an address.
func numbered(n uint32, from string) announcement {
	a := viewer(0, "radio")
	binary.BigEndian.PutUint32(a.peer[1:], n+1)
	a.observed = netip.MustParseAddr(from)
	return a
}

// load is an edge's report of the stream with key 9, of 2500 kbit/s: its budget, and
// what it sends, in copies.
func load(budget, out uint32) signal.Report {
	const rate = 2500
	return signal.Report{
		Load:    signal.Load{BudgetKbps: budget * rate, OutKbps: out * rate},
		Carried: []signal.Carried{{Stream: signal.StreamID{9}, Kbps: rate, OutKbps: out * rate}},
	}
}

// tight has a stream whose edge has a budget of four copies: three viewers may come.
func tight(t *testing.T) (w *world, e connID) {
	w = newWorld(t, Random)
	e = w.mustJoin(edge(1))
	w.mustJoin(source(2, 9, "radio"))
	w.report(e, load(4, 0))
	return w, e
}

// state is what a viewer was last told, and its place; peers is how often it was told of others.
func (w *world) state(id connID) (state signalpb.State, place uint32, ticket bool, peers int) {
	for _, o := range w.mail(id) {
		switch b := o.msg.Body.(type) {
		case *signalpb.ServerMessage_Welcome:
			state, place, ticket = b.Welcome.GetState(), b.Welcome.GetPlace(), len(b.Welcome.GetTicket()) > 0
		case *signalpb.ServerMessage_StreamState:
			state, place, ticket = b.StreamState.GetState(), b.StreamState.GetPlace(), len(b.StreamState.GetTicket()) > 0
		case *signalpb.ServerMessage_Peers:
			peers++
		}
	}
	return state, place, ticket, peers
}

func (w *world) wantState(id connID, want signalpb.State, wantPlace uint32) {
	w.t.Helper()
	state, place, ticket, peers := w.state(id)
	if state != want || place != wantPlace || ticket != (want == live) || (peers > 0) != (want == live) {
		w.t.Errorf("viewer %d was told %v, place %d, ticket %v, %d times of peers; want %v, %d", id, state, place, ticket, peers, want, wantPlace)
	}
}

func TestQueue(t *testing.T) {
	w, e := tight(t)
	var v []connID
	for n := range uint32(6) {
		v = append(v, w.mustJoin(numbered(n, "198.51.100.1")))
		if n < 3 {
			w.wantState(v[n], live, 0)
		} else {
			w.wantState(v[n], queued, n-2)
		}
	}
	d, _ := w.r.streamDetail("radio")
	if d.Viewers != 3 || d.Queue != 3 {
		t.Errorf("%d viewers, %d wait", d.Viewers, d.Queue)
	}
	// Who waits learns of nobody, and nobody of it.
	w.request(v[3], 8)
	if mail := w.mail(v[3]); len(mail) != 1 || len(idsOf(mail[0])) != 0 {
		t.Errorf("one that waits was told %v", mail)
	}
	w.mail(v[0])
	w.request(v[0], 32)
	if got := len(idsOf(w.mail(v[0])[0])); got != 3 {
		t.Errorf("a viewer was told of %d peers, want the edge and two viewers", got)
	}
	if why := w.r.mayConnect([32]byte(numbered(3, "::").peer), [32]byte(numbered(0, "::").peer)); why == "" {
		t.Error("one that waits may connect to others")
	}
	// One gives up; the others hear of it in a while.
	w.leave(v[3], true)
	w.pass(placeNews)
	w.wantState(v[4], queued, 1)
	w.wantState(v[5], queued, 2)
	// The first three have found their places, and carry others.
	for _, id := range v[:3] {
		w.report(id, signal.Report{UplinkKbps: 5000, Settled: true})
	}
	w.report(e, load(4, 1))
	w.wantState(v[4], live, 0)
	w.wantState(v[5], live, 0)
	if q := w.r.queues(w.now); q.Waiting != 0 || q.Served != 2 || q.Waited != 2*placeNews {
		t.Errorf("%+v", q)
	}
}

// TestNobodyWhoPlaysWaits loses the connections of a viewer and of one that waits.
func TestNobodyWhoPlaysWaits(t *testing.T) {
	w, _ := tight(t)
	var v []connID
	for n := range uint32(5) {
		v = append(v, w.mustJoin(numbered(n, "198.51.100.1")))
	}
	clear(w.told)
	w.leave(v[0], false)
	w.leave(v[3], false)
	w.leave(v[4], false)
	w.pass(2 * time.Second)
	// Somebody else takes the place of the first; it comes back all the same.
	w.wantState(w.mustJoin(numbered(7, "198.51.100.2")), queued, 3)
	again := numbered(0, "198.51.100.1")
	again.let = signal.StreamID{9}
	w.wantState(w.mustJoin(again), live, 0)
	// The other two have kept their places.
	w.wantState(w.mustJoin(numbered(4, "198.51.100.1")), queued, 2)
	w.wantState(w.mustJoin(numbered(3, "198.51.100.1")), queued, 1)
}

// TestQueueIsBounded fills it from one address: others still find a place.
func TestQueueIsBounded(t *testing.T) {
	w, e := tight(t)
	w.report(e, load(4, 4))
	for n := range uint32(maxQueueFrom) {
		w.mustJoin(numbered(n, "198.51.100.1"))
	}
	_, no := w.join(numbered(maxQueueFrom, "198.51.100.1"))
	if no == nil || no.code != signalpb.Code_CODE_STREAM_FULL || !no.again || no.message().GetError().GetRetryAfterS() == 0 {
		t.Errorf("one too many: %+v", no)
	}
	w.wantState(w.mustJoin(numbered(maxQueueFrom, "198.51.100.2")), queued, maxQueueFrom+1)
}

// TestCrowdBeforeTheStream waits for a stream that has yet to begin.
func TestCrowdBeforeTheStream(t *testing.T) {
	w := newWorld(t, Random)
	first := edge(1)
	first.load.BudgetKbps = 10_000
	e := w.mustJoin(first)
	var v []connID
	for n := range uint32(6) {
		v = append(v, w.mustJoin(numbered(n, "198.51.100.1")))
		w.wantState(v[n], signalpb.State_STATE_UNKNOWN, 0)
	}
	s := w.mustJoin(source(2, 9, "radio"))
	for _, id := range v {
		if mail := w.mail(id); len(mail) != 0 {
			t.Errorf("told %v before an edge carries the stream", mail)
		}
	}
	w.report(e, load(4, 0))
	w.pass(placeNews)
	for n, id := range v {
		if n < 3 {
			w.wantState(id, live, 0)
		} else {
			w.wantState(id, queued, uint32(n-2))
		}
	}
	// It ends, and begins again: all of them come in order.
	w.leave(s, true)
	for n, id := range v {
		if state, _, _, _ := w.state(id); state != signalpb.State_STATE_ENDED {
			t.Errorf("viewer %d was told %v", n, state)
		}
	}
	w.report(e, signal.Report{Load: signal.Load{BudgetKbps: 10_000}})
	w.mustJoin(source(2, 9, "radio"))
	w.report(e, load(4, 0))
	w.pass(placeNews)
	in := 0
	for _, id := range v {
		if state, _, _, _ := w.state(id); state == live {
			in++
		}
	}
	if in != 3 || w.r.queues(w.now).Waiting != 3 {
		t.Errorf("%d came in, %+v", in, w.r.queues(w.now))
	}
}

// TestCrowdTooLarge waits for a stream whose queue does not hold all of them.
func TestCrowdTooLarge(t *testing.T) {
	w := newWorld(t, Random)
	first := edge(1)
	first.load.BudgetKbps = 10_000
	w.mustJoin(first)
	for n := range uint32(maxQueueFrom + 1) {
		w.mustJoin(numbered(n, "198.51.100.1"))
	}
	clear(w.told)
	w.mustJoin(source(2, 9, "radio"))
	sent := 0
	for id, mail := range w.told {
		if last := mail[len(mail)-1]; last.last {
			sent++
			if w.r.members[id] != nil || last.msg.GetError().GetCode() != signalpb.Code_CODE_STREAM_FULL {
				t.Errorf("viewer %d was told %v, and is a member still: %v", id, last.msg, w.r.members[id] != nil)
			}
		}
	}
	if sent != 1 {
		t.Errorf("%d were sent away", sent)
	}
	checkConsistent(t, w.r)
}

func TestClock(t *testing.T) {
	began := time.Now()
	s := newStream(began, signal.StreamID{9}, "radio")
	if got := s.clock(began.Add(time.Second)); got != time.Second {
		t.Errorf("a second later it is %v", got)
	}
	if got := s.clock(time.Time{}); got >= 0 || -got < time.Minute {
		t.Errorf("never is %v", got)
	}
}

// TestEdgesTogether: the last edge with a budget goes, one without comes.
func TestEdgesTogether(t *testing.T) {
	w, e := tight(t)
	w.report(e, load(4, 4))
	v := w.mustJoin(numbered(0, "198.51.100.1"))
	w.wantState(v, queued, 1)
	w.leave(e, true)
	w.pass(2 * time.Second) // no edge is left, which does not open the door
	w.wantKinds("one that waits", v)
	free := w.mustJoin(edge(5))
	w.report(free, carrying(9))
	w.wantState(v, live, 0)
}

func TestWasLetIn(t *testing.T) {
	_, own, _ := ed25519.GenerateKey(nil)
	_, other, _ := ed25519.GenerateKey(nil)
	now := time.Unix(1_800_000_000, 0)
	peer, stream := signal.PeerID{1}, signal.StreamID{9}
	ticket := signal.Ticket{Stream: stream, Peer: peer, Role: wire.RoleViewer, Expires: now.Add(time.Hour)}
	foreign, old, edges := ticket, ticket, ticket
	foreign.Peer, old.Expires, edges.Role = signal.PeerID{2}, now.Add(-time.Hour), wire.RoleEdge
	for name, c := range map[string]struct {
		ticket []byte
		after  time.Duration // the tracker's start
		want   bool
	}{
		"its own":                       {signal.IssueTicket(own, ticket), time.Hour, true},
		"of the tracker before":         {signal.IssueTicket(other, ticket), time.Second, true},
		"forged":                        {signal.IssueTicket(other, ticket), 2 * time.Minute, false},
		"another peer's":                {signal.IssueTicket(own, foreign), time.Second, false},
		"another peer's, not to verify": {signal.IssueTicket(other, foreign), time.Second, false},
		"expired":                       {signal.IssueTicket(own, old), time.Hour, false},
		"an edge's":                     {signal.IssueTicket(own, edges), time.Hour, false},
		"none":                          {nil, time.Second, false},
		"rubbish":                       {[]byte("let me in"), time.Second, false},
	} {
		d := door{tickets: own.Public().(ed25519.PublicKey), began: now.Add(-c.after)}
		if got := d.wasLetIn(peer, c.ticket, now); (got == stream) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWait lets a real client wait.
func TestWait(t *testing.T) {
	tr, _ := serve(t, Config{})
	edge := connect(t, tr.url(), anEdge(""))
	source := connect(t, tr.url(), aSource("radio", 9, ""))
	id := wait[signal.Welcome](source).Stream
	report := func(out uint32) {
		edge.SendReport(signal.Report{
			Load:    signal.Load{BudgetKbps: 10_000, OutKbps: out},
			Carried: []signal.Carried{{Stream: id, Kbps: 2500, OutKbps: out}},
		})
		edge.RequestPeers(1)
		wait[signal.Peers](edge) // so the report is in
	}
	report(10_000)
	identity, err := rudp.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	v := connectAs(t, tr.url(), identity, aViewer("radio"))
	if e := wait[signal.Welcome](v); e.State != signal.StateQueued || e.Place != 1 || e.Ticket != nil {
		t.Errorf("welcome %+v", e)
	}
	report(0)
	e := wait[signal.StreamState](v)
	if e.State != signal.StateLive || e.Ticket == nil {
		t.Errorf("state %+v", e)
	}
	// With its ticket it does not wait again, and without it does.
	report(10_000)
	v.stop()
	for want, ticket := range map[signal.State][]byte{signal.StateLive: e.Ticket, signal.StateQueued: nil} {
		a := aViewer("radio")
		a.Viewer.Ticket = ticket
		v := connectAs(t, tr.url(), identity, a)
		if e := wait[signal.Welcome](v); e.State != want {
			t.Errorf("with the ticket %x: %+v", ticket, e)
		}
		v.stop()
	}
}
