// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/nat"
)

// asker is a viewer that sends connection requests.
func asker(n byte, target string, ip string) announcement {
	a := viewer(n, target)
	a.observed = netip.MustParseAddr(ip)
	a.requests = nat.RequestKey{Tag: [8]byte{n}, Key: [32]byte{n}}
	return a
}

// ask sends a request for one peer by another and returns what was told to whom.
func (w *world) ask(from announcement, attempt, other byte) {
	requester := nat.NewRequester(from.requests)
	var b []byte
	for range w.asked[from.peer] + 1 { // counters go on
		b = requester.Request(nat.AttemptID{attempt}, nat.PeerKey{other}, nat.Class{Type: nat.TypeNAT3}, nat.Cookie{})
	}
	w.asked[from.peer]++
	out, reply := w.r.connectionRequest(w.now, b, netip.AddrPortFrom(from.observed, 7100))
	if reply != nil {
		w.t.Error("a reply over UDP")
	}
	w.take(out)
}

func (w *world) punch(id connID) *signalpb.Punch {
	w.t.Helper()
	for _, o := range w.mail(id) {
		if p := o.msg.GetPunch(); p != nil {
			return p
		}
	}
	w.t.Fatalf("connection %d has not been told", id)
	return nil
}

func TestConnectionRequest(t *testing.T) {
	w := newWorld(t, Random)
	w.mustJoin(source(1, 1, "radio"))
	w.report(w.mustJoin(edge(2)), carrying(1))
	alice, bob := asker(10, "radio", "198.51.100.10"), asker(11, "radio", "198.51.100.11")
	alice.addrs = []netip.AddrPort{
		netip.MustParseAddrPort("192.168.1.2:7100"),    // means nothing to bob
		netip.MustParseAddrPort("198.51.100.10:7100"),  // her own
		netip.MustParseAddrPort("203.0.113.66:53"),     // somebody else's
		netip.MustParseAddrPort("[2001:db8::1]:7100"),  // may be hers
		netip.MustParseAddrPort("[2001:db8::2]:7100"),  // may be hers
		netip.MustParseAddrPort("[2001:db8::66]:7100"), // too many
	}
	a, b := w.mustJoin(alice), w.mustJoin(bob)
	w.mail(a)
	w.mail(b)

	w.ask(alice, 1, 11)
	p := w.punch(b)
	want := []string{"198.51.100.10:7100", "[2001:db8::1]:7100", "[2001:db8::2]:7100"}
	if p.Step != signalpb.PunchStep_PUNCH_STEP_WANTED || p.Seen != "198.51.100.10:7100" || !slices.Equal(p.Peer.UdpAddrs, want) ||
		p.Nat.Type != signalpb.NatType_NAT_TYPE_NAT3 {
		t.Errorf("bob was told %v", p)
	}
	w.ask(bob, 1, 10)
	if p := w.punch(a); p.Step != signalpb.PunchStep_PUNCH_STEP_GO || p.Seen != "198.51.100.11:7100" {
		t.Errorf("alice was told %v", p)
	}
	if p := w.punch(b); p.Step != signalpb.PunchStep_PUNCH_STEP_GO {
		t.Errorf("bob was told %v", p)
	}
}

func TestConnectionRequestRefused(t *testing.T) {
	w := newWorld(t, Random)
	w.mustJoin(source(1, 1, "radio"))
	w.mustJoin(source(2, 2, "tv"))
	w.mustJoin(edge(3))
	alice, carol, dave := asker(10, "radio", "198.51.100.10"), asker(12, "tv", "198.51.100.12"), asker(13, "radio", "198.51.100.13")
	dave.edgeOnly = true
	a := w.mustJoin(alice)
	c, d := w.mustJoin(carol), w.mustJoin(dave)
	for _, id := range []connID{a, c, d} {
		w.mail(id)
	}
	for name, other := range map[string]byte{
		"a stranger": 99, "a viewer of another stream": 12, "one that takes the stream from edges only": 13, "an edge": 3,
	} {
		w.ask(alice, other, other)
		if p := w.punch(a); p.Step != signalpb.PunchStep_PUNCH_STEP_REFUSED || p.Reason == "" || p.Peer != nil {
			t.Errorf("%s: alice was told %v", name, p)
		}
	}
	if len(w.told[c])+len(w.told[d]) > 0 {
		t.Error("others were told of it")
	}
}

// TestMatchByNAT: viewers whose NATs cannot come together are not introduced.
func TestMatchByNAT(t *testing.T) {
	w := newWorld(t, Random)
	w.mustJoin(source(1, 1, "radio"))
	w.report(w.mustJoin(edge(2)), carrying(1))
	random := nat.Class{Type: nat.TypeNAT4, Allocation: nat.Random}
	a, b := w.mustJoin(asker(10, "radio", "198.51.100.10")), w.mustJoin(asker(11, "radio", "198.51.100.11"))
	c := w.mustJoin(asker(12, "radio", "198.51.100.12"))
	w.r.setNAT(a, random)
	w.r.setNAT(b, random)
	w.r.setNAT(c, nat.Class{Type: nat.TypeNAT3})
	w.mail(a)
	w.request(a, 10)
	if got := idsOf(w.mail(a)[0]); slices.Contains(got, 11) || !slices.Contains(got, 12) {
		t.Errorf("introduced %v", got)
	}
}

// TestFloodOfRequests: 10,000 requests of one client to punch at somebody leave the others their share, get no answer,
// and are noted once.
func TestFloodOfRequests(t *testing.T) {
	tr, _ := serve(t, Config{})
	greedy := 0
	tr.mu.Lock()
	tr.reg.onGreedy = func(signal.PeerID) { greedy++ }
	tr.mu.Unlock()
	connect(t, tr.url(), aSource("radio", 1, ""))
	e := connect(t, tr.url(), anEdge(""))
	wait[signal.Welcome](e)
	mallory, bob, carol := connect(t, tr.url(), aViewer("radio")), connect(t, tr.url(), aViewer("radio")), connect(t, tr.url(), aViewer("radio"))
	m, _, c := wait[signal.Welcome](mallory), wait[signal.Welcome](bob), wait[signal.Welcome](carol)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	requester := nat.NewRequester(m.Requests)
	for i := range 10_000 {
		b := requester.Request(nat.AttemptID{1, byte(i), byte(i >> 8)}, nat.PeerKey(bob.id), nat.Class{}, nat.Cookie{})
		if _, err := pc.WriteTo(b, tr.UDPAddr()); err != nil {
			t.Fatal(err)
		}
	}
	// The socket's buffer may have been full: an honest peer asks again, as ever.
	stop := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		honest := nat.NewRequester(c.Requests)
		for i := byte(0); ; i++ {
			pc.WriteTo(honest.Request(nat.AttemptID{2, i}, nat.PeerKey(mallory.id), nat.Class{}, nat.Cookie{}), tr.UDPAddr())
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	for p := wait[signal.Punch](mallory); p.Peer.ID != carol.id; p = wait[signal.Punch](mallory) {
	}
	close(stop)
	asking.Wait()
	if err := pc.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, _, err := pc.ReadFrom(make([]byte, 1500)); err == nil {
		t.Errorf("an answer of %d bytes", n)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if s := tr.reg.meet.Stats(); s.Forwarded > 300 || greedy != 1 {
		t.Errorf("%+v, noted %d times", s, greedy)
	}
}
