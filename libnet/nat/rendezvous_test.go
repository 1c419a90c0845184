// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"net/netip"
	"testing"
	"time"
)

var (
	aliceKey = RequestKey{Tag: [8]byte{1}, Key: [32]byte{11}}
	bobKey   = RequestKey{Tag: [8]byte{2}, Key: [32]byte{12}}
)

// meeting point of alice and bob.
func newTestRendezvous(cfg RendezvousConfig) *Rendezvous {
	r := NewRendezvous(cfg)
	r.Join(Party{ID: alice, Key: aliceKey, Observed: aliceAddr.Addr(), Class: nat3})
	r.Join(Party{ID: bob, Key: bobKey, Observed: bobAddr.Addr(), Class: nat3})
	return r
}

func TestRendezvous(t *testing.T) {
	r := newTestRendezvous(RendezvousConfig{})
	a, b := NewRequester(aliceKey), NewRequester(bobKey)
	relays, reply := r.Handle(0, a.Request(tryID, bob, nat3, Cookie{}), aliceAddr)
	want := Relay{To: bobKey.Tag, Kind: RelayWanted, Attempt: tryID, Peer: alice, Seen: aliceAddr, Class: nat3}
	if len(relays) != 1 || relays[0] != want || reply != nil {
		t.Fatalf("%+v, %x", relays, reply)
	}
	if relays, _ := r.Handle(0, a.Request(tryID, bob, nat3, Cookie{}), aliceAddr); len(relays) > 0 {
		t.Errorf("a repetition is forwarded: %+v", relays)
	}
	relays, _ = r.Handle(0, b.Request(tryID, alice, nat3, Cookie{}), bobAddr)
	if len(relays) != 2 || relays[0].Kind != RelayGo || relays[0].Seen != bobAddr || relays[1].Seen != aliceAddr ||
		relays[0].To != aliceKey.Tag || relays[1].To != bobKey.Tag {
		t.Errorf("%+v", relays)
	}
	if relays, _ := r.Handle(attemptTime, b.Request(tryID, alice, nat3, Cookie{}), bobAddr); len(relays) != 1 || relays[0].Kind != RelayWanted {
		t.Errorf("after the end of the attempt: %+v", relays)
	}
}

func TestRendezvousRefuses(t *testing.T) {
	r := newTestRendezvous(RendezvousConfig{Allow: func(asker, other PeerKey) string {
		if asker == bob {
			return "no"
		}
		return ""
	}})
	a, b := NewRequester(aliceKey), NewRequester(bobKey)
	reason := func(relays []Relay) string {
		if len(relays) != 1 || relays[0].Kind != RelayRefused {
			t.Errorf("%+v", relays)
			return ""
		}
		return relays[0].Reason
	}
	relays, _ := r.Handle(0, a.Request(AttemptID{1}, PeerKey{99}, nat3, Cookie{}), aliceAddr)
	if reason(relays) == "" {
		t.Error("a stranger can be asked for")
	}
	relays, _ = r.Handle(0, b.Request(AttemptID{2}, alice, nat3, Cookie{}), bobAddr)
	if reason(relays) != "no" {
		t.Error("Allow is not asked")
	}
	r.SetClass(bobKey.Tag, Class{Type: TypeBlocked})
	relays, _ = r.Handle(0, a.Request(AttemptID{3}, bob, nat3, Cookie{}), aliceAddr)
	if reason(relays) == "" {
		t.Error("tried without UDP")
	}
	r.Leave(bobKey.Tag)
	relays, _ = r.Handle(0, a.Request(AttemptID{4}, bob, nat3, Cookie{}), aliceAddr)
	if reason(relays) == "" {
		t.Error("one who has left is asked")
	}
}

// TestRendezvousAttacks: requests that nobody connected has made, or that have been seen before, reach nobody and get
// no answer.
func TestRendezvousAttacks(t *testing.T) {
	r := newTestRendezvous(RendezvousConfig{})
	good := NewRequester(aliceKey).Request(tryID, bob, nat3, Cookie{})
	if relays, _ := r.Handle(0, good, aliceAddr); len(relays) != 1 {
		t.Fatal("the request itself is not forwarded")
	}
	stranger := NewRequester(RequestKey{Tag: [8]byte{77}}).Request(AttemptID{2}, bob, nat3, Cookie{})
	guessed := NewRequester(RequestKey{Tag: aliceKey.Tag}).Request(AttemptID{3}, bob, nat3, Cookie{})
	for name, b := range map[string][]byte{"replayed": good, "of a stranger": stranger, "forged": guessed} {
		for range 1000 {
			relays, reply := r.Handle(time.Millisecond, b, victim)
			if len(relays) > 0 || reply != nil {
				t.Fatalf("a request that is %s has an effect: %+v, %x", name, relays, reply)
			}
		}
	}
	if s := r.Stats(); s.Replayed != 1000 || s.Unknown != 1000 || s.Forged != 1000 || s.Forwarded != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestRendezvousSource: nobody is told of an address at which the peer has not been seen to receive.
func TestRendezvousSource(t *testing.T) {
	r := newTestRendezvous(RendezvousConfig{})
	a := NewRequester(aliceKey)
	request := a.Request(tryID, bob, nat3, Cookie{})
	relays, reply := r.Handle(0, request, victim)
	if len(relays) > 0 || reply == nil || len(reply) >= len(request) {
		t.Fatalf("%+v, a reply of %d bytes to %d", relays, len(reply), len(request))
	}
	cookie, ok := a.Cookie(reply)
	if !ok {
		t.Fatal("the reply is not taken")
	}
	if _, ok := NewRequester(bobKey).Cookie(reply); ok {
		t.Error("another one takes the reply")
	}
	elsewhere := netip.AddrPortFrom(victim.Addr(), victim.Port()+1)
	if relays, _ := r.Handle(0, a.Request(tryID, bob, nat3, cookie), elsewhere); len(relays) > 0 {
		t.Error("the cookie is good at another port")
	}
	if relays, _ := r.Handle(3*cookieTime, a.Request(tryID, bob, nat3, cookie), victim); len(relays) > 0 {
		t.Error("the cookie is good for ever")
	}
	_, reply = r.Handle(3*cookieTime, a.Request(tryID, bob, nat3, Cookie{}), victim)
	cookie, _ = a.Cookie(reply)
	if relays, _ := r.Handle(4*cookieTime, a.Request(tryID, bob, nat3, cookie), victim); len(relays) != 1 {
		t.Errorf("who shows the cookie is not let through: %+v", relays)
	}
}

// TestRendezvousFlood: a client that asks 10,000 times gets its share, which is said once, and others theirs.
func TestRendezvousFlood(t *testing.T) {
	said := 0
	r := newTestRendezvous(RendezvousConfig{OnLimit: func(peer PeerKey) {
		if said++; peer != alice {
			t.Errorf("%x is blamed", peer)
		}
	}})
	a := NewRequester(aliceKey)
	forwarded := 0
	for i := range 10_000 { // in ten seconds
		relays, reply := r.Handle(time.Duration(i)*time.Millisecond, a.Request(AttemptID{byte(i), byte(i >> 8)}, bob, nat3, Cookie{}), aliceAddr)
		forwarded += len(relays)
		if reply != nil {
			t.Fatal("a reply")
		}
	}
	if limit := askBurst + int(10*time.Second/askInterval); forwarded > limit || forwarded < limit-2 {
		t.Errorf("%d of 10,000 requests were forwarded, %d are allowed", forwarded, limit)
	}
	if said != 1 {
		t.Errorf("said %d times", said)
	}
	carol := RequestKey{Tag: [8]byte{3}, Key: [32]byte{13}}
	dave := RequestKey{Tag: [8]byte{4}, Key: [32]byte{14}}
	r.Join(Party{ID: PeerKey{3}, Key: carol, Observed: aliceAddr.Addr(), Class: nat3})
	r.Join(Party{ID: PeerKey{4}, Key: dave, Observed: bobAddr.Addr(), Class: nat3})
	if relays, _ := r.Handle(10*time.Second, NewRequester(carol).Request(AttemptID{0xff, 0xff}, PeerKey{4}, nat3, Cookie{}), aliceAddr); len(relays) != 1 {
		t.Errorf("others are affected: %+v", relays)
	}
}

// TestClass: a class comes through a request; what cannot be is unknown.
func TestClass(t *testing.T) {
	for _, kind := range types {
		for _, allocation := range allocations {
			c := Class{Type: kind, Allocation: allocation}
			if allocation == Sequential {
				c.Step = -3
			}
			if got := readClass(c.append(nil)); got != c {
				t.Errorf("%+v became %+v", c, got)
			}
		}
	}
	if got := readClass([]byte{99, 99, 0, 0}); got != (Class{Type: TypeUnknown, Allocation: AllocationUnknown}) {
		t.Errorf("%+v", got)
	}
	for _, step := range [][2]byte{{0, 0}, {0x7f, 0}, {0x80, 0}} {
		if got := readClass([]byte{6, 2, step[0], step[1]}); got != (Class{Type: TypeNAT4, Allocation: Random}) {
			t.Errorf("step %x: %+v", step, got)
		}
	}
}

func TestCounterWindow(t *testing.T) {
	var w counterWindow
	for _, step := range []struct {
		counter uint64
		want    bool
	}{{0, false}, {1, true}, {1, false}, {5, true}, {3, true}, {3, false}, {68, true}, {4, false}, {6, true}, {6, false},
		{1 << 63, true}, {68, false}, {1<<63 - 63, true}, {1<<63 - 64, false}} {
		if got := w.take(step.counter); got != step.want {
			t.Errorf("%d: %v", step.counter, got)
		}
	}
}

func FuzzRendezvous(f *testing.F) {
	f.Add(NewRequester(aliceKey).Request(tryID, bob, nat3, Cookie{}))
	f.Add([]byte{typeRequest, punchVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newTestRendezvous(RendezvousConfig{})
		if !IsRequest(b) {
			return
		}
		relays, reply := r.Handle(0, b, aliceAddr)
		if (len(relays) > 0 || reply != nil) && !genuine(b, aliceKey.Key) && !genuine(b, bobKey.Key) {
			t.Errorf("%x has an effect", b)
		}
	})
}

func FuzzReply(f *testing.F) {
	a := NewRequester(aliceKey)
	a.Request(tryID, bob, nat3, Cookie{})
	f.Add(encodeReply(request{attempt: tryID, counter: 1}, aliceKey.Key, Cookie{5}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok := a.Cookie(b); ok && !genuine(b, aliceKey.Key) {
			t.Errorf("%x is taken", b)
		}
	})
}
