// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
)

func TestParseAddrs(t *testing.T) {
	in := []string{
		"192.0.2.1:7100", "[2001:db8::1]:1", "[::ffff:192.0.2.2]:3", "0.0.0.0:7100",
		"192.0.2.1", "192.0.2.1:0", "host:1", "[fe80::1%eth0]:1", "", strings.Repeat("1", 1000),
	}
	want := []string{"192.0.2.1:7100", "[2001:db8::1]:1", "192.0.2.2:3", "0.0.0.0:7100"}
	if got := FormatAddrs(ParseAddrs(in)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	many := slices.Repeat([]string{"192.0.2.1:1"}, 100)
	if n := len(ParseAddrs(many)); n != MaxAddrs {
		t.Errorf("%d addresses of 100, want %d", n, MaxAddrs)
	}
}

func TestPeerInfosSkipsWhatMakesNoSense(t *testing.T) {
	id := PeerID{1}
	got := peerInfos([]*signalpb.PeerInfo{
		nil,
		{PeerId: []byte("short"), Role: signalpb.Role_ROLE_EDGE},
		{PeerId: id[:], Role: 77},
		{PeerId: id[:], Role: signalpb.Role_ROLE_EDGE, HttpUrl: "javascript:alert(1)", UdpAddrs: []string{"192.0.2.1:1"}},
	})
	if len(got) != 1 || got[0].ID != id || got[0].Role != wire.RoleEdge || got[0].HTTPURL != "" ||
		!slices.Equal(got[0].Addrs, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1")}) {
		t.Errorf("got %+v", got)
	}
}

func TestOutboxDropsTheOldest(t *testing.T) {
	o := newOutbox()
	for i := range outboxSize + 3 {
		o.put(&signalpb.ClientMessage{Body: &signalpb.ClientMessage_PeersRequest{
			PeersRequest: &signalpb.PeersRequest{Count: uint32(i)},
		}})
	}
	for want := 3; want < outboxSize+3; want++ {
		if got := o.take().GetPeersRequest().GetCount(); got != uint32(want) {
			t.Fatalf("took %d, want %d", got, want)
		}
	}
	if m := o.take(); m != nil || o.dropped != 3 {
		t.Errorf("left %v, dropped %d", m, o.dropped)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	for round := range 2 {
		want := backoffMin
		for range 10 {
			if got := b.pause(); got < want/2 || got > want {
				t.Fatalf("round %d: pause %v, want %v to %v", round, got, want/2, want)
			}
			want = min(2*want, backoffMax)
		}
		b.reset()
	}
}

// FuzzServerMessage feeds the client what a hostile tracker could send.
func FuzzServerMessage(f *testing.F) {
	id := PeerID{1}
	info := &signalpb.PeerInfo{PeerId: id[:], UdpAddrs: []string{"192.0.2.1:1"}, Role: signalpb.Role_ROLE_VIEWER}
	for _, m := range []*signalpb.ServerMessage{
		{Body: &signalpb.ServerMessage_Hello{Hello: &signalpb.Hello{ProtocolVersion: 1, Nonce: id[:], ChallengeKey: id[:], TrackerKey: id[:], UdpPort: 3478}}},
		{Body: &signalpb.ServerMessage_Welcome{Welcome: &signalpb.Welcome{StreamId: id[:], Name: "a", State: 2}}},
		{Body: &signalpb.ServerMessage_Peers{Peers: &signalpb.Peers{StreamId: id[:], Peers: []*signalpb.PeerInfo{info}}}},
		{Body: &signalpb.ServerMessage_Introduce{Introduce: &signalpb.Introduce{StreamId: id[:], Peer: info}}},
		{Body: &signalpb.ServerMessage_Carry{Carry: &signalpb.Carry{StreamId: id[:], Peers: []*signalpb.PeerInfo{info}}}},
		{Body: &signalpb.ServerMessage_Error{Error: &signalpb.Error{Fatal: true}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeServer(b)
		if err != nil {
			return
		}
		h, _ := checkHello(m.GetHello(), "host")
		welcomeEvent(m.GetWelcome(), h)
		_ = refusal(m)
		ev, err := eventOf(m)
		if err != nil {
			return
		}
		if p, ok := ev.(Peers); ok {
			for _, info := range p.Peers {
				if len(info.Addrs) > MaxAddrs || !info.Role.Valid() || len(info.HTTPURL) > MaxURL {
					t.Fatalf("let through: %+v", info)
				}
			}
		}
	})
}
