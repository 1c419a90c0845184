// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	alice, bob = PeerKey{1}, PeerKey{2}
	secret     = []byte("shared by alice and bob")
	tryID      = AttemptID{1, 2, 3, 4, 5, 6, 7, 8}
	aliceAddr  = netip.MustParseAddrPort("203.0.113.1:7100")
	bobAddr    = netip.MustParseAddrPort("203.0.113.2:7100")
	victim     = netip.MustParseAddrPort("192.0.2.66:53")
	nat3       = Class{Type: TypeNAT3, Allocation: AllocationUnknown}
)

// TestFormats pins the datagrams of docs/protocol.md.
func TestFormats(t *testing.T) {
	key := probeKey(secret, tryID, alice, bob)
	request := request{
		tag: [8]byte{9}, counter: 5, attempt: tryID, peer: bob, cookie: Cookie{7},
		class: Class{Type: TypeNAT4, Allocation: Sequential, Step: -2},
	}
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"probe", probe{kind: kindProbe, attempt: tryID, number: 3}.encode(key),
			"080101" + "0102030405060708" + "00000003" + "00000000" + "16530163470a48c3d1bc76bcbeb270c9"},
		{"answer", probe{kind: kindAnswer, attempt: tryID, number: 4, echo: 3}.encode(key),
			"080102" + "0102030405060708" + "00000004" + "00000003" + "77a4cadede73a0e50bdbc29119f9fa9d"},
		{"request", request.encode([32]byte{6}),
			"0901" + "0900000000000000" + "0000000000000005" + "0102030405060708" +
				"02" + strings.Repeat("00", 31) + "0700000000000000" + "0602fffe" + "2da7132b369c461f341ea9751dd28281"},
		{"reply", encodeReply(request, [32]byte{6}, Cookie{8}),
			"0a01" + "0102030405060708" + "0000000000000005" + "0800000000000000" + "1167e53a888d195b0826bbc75ef4bef9"},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s:\n%s, not\n%s", tt.name, got, tt.want)
		}
	}
}

func pair(asker bool) *Puncher {
	cfg := PunchConfig{Secret: secret, Self: alice, Peer: bob, Attempt: tryID, Asker: asker, Own: nat3, CanTTL: true}
	if !asker {
		cfg.Self, cfg.Peer = bob, alice
	}
	return NewPuncher(cfg)
}

// probes of the commands, without those that do not come through.
func probes(cmds []PunchCommand) (list []SendProbe) {
	for _, c := range cmds {
		if p, ok := c.(SendProbe); ok && p.TTL == 0 {
			list = append(list, p)
		}
	}
	return list
}

func find[T PunchCommand](cmds []PunchCommand) (found T, ok bool) {
	for _, c := range cmds {
		if found, ok = c.(T); ok {
			return found, true
		}
	}
	return found, false
}

// TestPuncherOrder: the one who was asked opens its NAT, and leaves the first datagram that comes through to the asker.
func TestPuncherOrder(t *testing.T) {
	b := pair(false)
	cmds := b.Handle(0, PunchWanted{Remote{Seen: aliceAddr, Class: nat3}})
	if _, ok := find[SendRequest](cmds); !ok {
		t.Error("no request")
	}
	if open, ok := cmds[0].(SendProbe); !ok || open.TTL != openTTL || open.To != aliceAddr {
		t.Errorf("first comes %+v", cmds[0])
	}
	if got := probes(cmds); len(got) > 0 {
		t.Errorf("%d come through", len(got))
	}
	if got := probes(b.Handle(40*time.Millisecond, PunchGo{Remote{Seen: aliceAddr, Class: nat3}})); len(got) > 0 {
		t.Errorf("%d come through at once", len(got))
	}
	if got := probes(b.Handle(40*time.Millisecond+openGrace, PunchTick{})); len(got) != 1 || got[0].To != aliceAddr {
		t.Errorf("after the grace: %+v", got)
	}

	a := pair(true)
	if _, ok := find[SendRequest](a.Handle(0, PunchStart{})); !ok {
		t.Error("no request of the asker")
	}
	if _, ok := find[SendRequest](a.Handle(requestEvery, PunchTick{})); !ok {
		t.Error("the request is not repeated")
	}
	if got := probes(a.Handle(time.Second, PunchGo{Remote{Seen: bobAddr, Class: nat3}})); len(got) != 1 || got[0].To != bobAddr {
		t.Errorf("the asker sends %+v", got)
	}
}

// TestPuncherReplay: a probe counts once, wherever it comes from, and only from the peer, in this attempt, in this
// direction.
func TestPuncherReplay(t *testing.T) {
	a, b := pair(true), pair(false)
	b.Handle(0, PunchWanted{Remote{Seen: aliceAddr, Class: nat3}})
	b.Handle(0, PunchGo{Remote{Seen: aliceAddr, Class: nat3}})
	a.Handle(0, PunchStart{})
	data := probes(a.Handle(0, PunchGo{Remote{Seen: bobAddr, Class: nat3}}))[0].Data

	replies := probes(b.Handle(time.Millisecond, PunchHeard{From: aliceAddr, Data: data}))
	if len(replies) != 2 || replies[0].To != aliceAddr { // the answer, and a probe back
		t.Fatalf("%d replies", len(replies))
	}
	for range 1000 { // from a forged source, as an observer could send it
		if got := probes(b.Handle(time.Millisecond, PunchHeard{From: victim, Data: data})); len(got) > 0 {
			t.Fatalf("a replay is answered: %+v", got)
		}
	}
	forged := append([]byte(nil), data...)
	forged[14]++ // another number
	for _, bad := range [][]byte{forged, data[:len(data)-1], nil, replies[0].Data} {
		if got := probes(b.Handle(time.Millisecond, PunchHeard{From: victim, Data: bad})); len(got) > 0 {
			t.Errorf("%x is answered", bad)
		}
	}
	later := PunchConfig{Secret: secret, Self: bob, Peer: alice, Attempt: AttemptID{9}, Own: nat3}
	c := NewPuncher(later)
	c.Handle(0, PunchWanted{Remote{Seen: aliceAddr, Class: nat3}})
	if got := probes(c.Handle(0, PunchHeard{From: victim, Data: data})); len(got) > 0 {
		t.Error("a probe of another attempt is answered")
	}
	if s := b.Stats(); s.Replayed != 1000 || s.Forged != 4 || s.Answered != 1 {
		t.Errorf("counted %+v", s)
	}

	// An answer from elsewhere than the probe went to proves nothing.
	if _, ok := find[PathFound](a.Handle(time.Millisecond, PunchHeard{From: victim, Data: replies[0].Data})); ok {
		t.Error("a path to the victim")
	}
}

// TestPuncherBounds: whatever the tracker says, an address that does not answer gets a few probes.
func TestPuncherBounds(t *testing.T) {
	for _, class := range []Class{{}, nat3, {Type: TypeOpen}, {Type: TypeNAT4, Allocation: Random},
		{Type: TypeNAT4, Allocation: Sequential, Step: 1}} {
		a := pair(true)
		r := Remote{Seen: victim, Class: class}
		for i := range 100 {
			r.Candidates = append(r.Candidates, Candidate{Addr: netip.AddrPortFrom(victim.Addr(), uint16(1000+i))})
		}
		sent := make(map[netip.AddrPort]int)
		all := 0
		now := time.Duration(0)
		cmds := append(a.Handle(0, PunchStart{}), a.Handle(0, PunchGo{r})...)
		for {
			for _, c := range cmds {
				if p, ok := c.(SendProbe); ok {
					sent[p.To]++
					all++
				}
			}
			if over, ok := find[PunchOver](cmds); ok {
				if over.Reason == "" {
					t.Error("no reason")
				}
				break
			}
			wake, ok := find[Wake](cmds)
			if !ok || wake.At > 20*time.Second {
				t.Fatalf("%+v: no end", class)
			}
			now = max(now, wake.At)
			cmds = a.Handle(now, PunchTick{})
		}
		limit := (maxCandidates + 1) * maxProbesPerAddr
		if class.Type == TypeNAT4 {
			limit += birthdayProbes
		}
		if all > limit {
			t.Errorf("%+v: %d probes to one host", class, all)
		}
		for addr, n := range sent {
			if n > maxProbesPerAddr {
				t.Errorf("%+v: %d probes to %v", class, n, addr)
			}
		}
	}
}

// TestPuncherBudget: a host that was asked too often sends nothing more.
func TestPuncherBudget(t *testing.T) {
	a := NewPuncher(PunchConfig{Secret: secret, Self: alice, Peer: bob, Attempt: tryID, Asker: true,
		Spend: func(netip.Addr) bool { return false }})
	a.Handle(0, PunchStart{})
	cmds := a.Handle(0, PunchGo{Remote{Seen: victim}})
	if p, ok := find[SendProbe](cmds); ok {
		t.Errorf("sent %+v", p)
	}
}

// TestPuncherImproves: a path inside the network takes over from one that was found before.
func TestPuncherImproves(t *testing.T) {
	a, b := pair(true), pair(false)
	lan := netip.MustParseAddrPort("192.168.1.2:7100")
	remote := Remote{Seen: bobAddr, Class: nat3, Candidates: []Candidate{{Addr: lan}}}
	b.Handle(0, PunchWanted{Remote{Seen: aliceAddr, Class: nat3}})
	b.Handle(0, PunchGo{Remote{Seen: aliceAddr, Class: nat3}})
	a.Handle(0, PunchStart{})
	to := make(map[netip.AddrPort][]byte)
	cmds := a.Handle(0, PunchGo{remote})
	for at := time.Duration(0); len(to) < 2; at += time.Millisecond {
		for _, p := range probes(cmds) {
			to[p.To] = p.Data
		}
		cmds = a.Handle(at, PunchTick{})
	}
	var words []Word
	for i, addr := range []netip.AddrPort{bobAddr, lan} {
		now := time.Duration(i+1) * 10 * time.Millisecond
		answer := probes(b.Handle(now, PunchHeard{From: aliceAddr, Data: to[addr]}))[0]
		if found, ok := find[PathFound](a.Handle(now, PunchHeard{From: addr, Data: answer.Data})); ok {
			words = append(words, found.Path.Word)
		}
	}
	if got := fmt.Sprint(words); got != "[punched lan]" {
		t.Errorf("paths %s", got)
	}
	if over, ok := find[PunchOver](a.Handle(3*time.Second, PunchTick{})); !ok || over.Reason != "" {
		t.Errorf("the end: %+v, %v", over, ok)
	}
}

func FuzzPuncher(f *testing.F) {
	key := probeKey(secret, tryID, alice, bob)
	f.Add(probe{kind: kindProbe, attempt: tryID, number: 3}.encode(key), uint8(0))
	f.Add(probe{kind: kindAnswer, attempt: tryID, number: 4095, echo: 1}.encode(key), uint8(3))
	f.Add([]byte{typeProbe, punchVersion}, uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, socket uint8) {
		b := pair(false)
		b.Handle(0, PunchWanted{Remote{Seen: aliceAddr, Class: nat3}})
		cmds := b.Handle(0, PunchHeard{Socket: int(socket), From: victim, Data: data})
		_, genuine := openProbe(data, key)
		if !genuine && len(probes(cmds)) > 0 {
			t.Errorf("%x is answered", data)
		}
	})
}
