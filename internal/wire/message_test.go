// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

func testPiece(key bool, count uint16, payload []byte) *Piece {
	h := PieceHeader{
		Epoch: 1700000000123, Track: 3, Key: key, Seq: 77, Index: count - 1, Count: count,
		Base: 1 << 40, Duration: 3003, Wall: -5,
	}
	return EncodePiece(h, payload, func(signed []byte) (sig [SignatureSize]byte) {
		copy(sig[:], signed)
		return sig
	})
}

func testInfo(seed byte, addrs ...string) PeerInfo {
	p := PeerInfo{ID: PeerID{seed, 1, 31: seed}, Role: RoleViewer}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, netip.MustParseAddrPort(a))
	}
	return p
}

// messages has one message of each type at least, with its fields set.
func messages() map[string]Message {
	path := []PathID{{1, 2}, {3}, {7: 9}}
	tree := Tree{Track: 2, Substream: 7}
	ids := []PieceID{{1, 0, 0}, {16, 1<<32 - 1, MaxPieces - 1}}
	others := []PeerInfo{testInfo(4, "192.0.2.1:7100", "[2001:db8::1]:7100"), testInfo(5)}
	return map[string]Message{
		"hello":           &Hello{Version: 1, Role: RoleEdge, Stream: StreamID{1, 2}, Ticket: []byte("ticket")},
		"hello edge only": &Hello{Version: 1, Role: RoleViewer, Ticket: []byte("ticket"), EdgeOnly: true},
		"hello bare":      &Hello{Version: 9, Role: RoleSource, Ticket: []byte{}},
		"catalog":         &SignedCatalog{Bytes: []byte("a catalog"), Signature: [64]byte{9}},
		"piece":           &PieceMessage{Via: Rescue, Piece: testPiece(true, 2, []byte("payload"))},
		"subscribe":       &Subscribe{Epoch: 5, Tree: tree, From: 1 << 31, Weight: 9},
		"accept":          &Accept{Epoch: 5, Tree: tree, Temporary: true, Path: path, Others: others},
		"accept root":     &Accept{Epoch: 5, Tree: tree},
		"refuse":          &Refuse{Epoch: 5, Tree: tree, Reason: RefuseRole, Others: others},
		"unsubscribe":     &Unsubscribe{Epoch: 5, Tree: tree, From: 3},
		"request":         &Request{Epoch: 5, Via: Rescue, IDs: ids},
		"lack":            &Lack{Epoch: 5, IDs: ids},
		"have nothing":    &Have{Epoch: 5},
		"heartbeat": &Heartbeat{Epoch: 5, Slots: 300, Trees: []TreeState{
			{Tree: tree, Free: 4, Weight: 20, Path: path}, {Tree: Tree{1, 0}, Free: 1, Aside: true},
		}},
		"heartbeat silent": &Heartbeat{Epoch: 5},
		"peers":            &Peers{Peers: others},
		"nobody":           &Peers{},
		"have": &Have{Epoch: 5, Tracks: []TrackHave{
			{Track: 1, Newest: 1000, Start: 990, Base: 0, Fragments: []FragmentHave{
				{}, {Count: 1}, {Count: 9, Bits: []byte{0xff, 0x01}}, {Count: MaxPieces}, {Count: MaxPieces, Bits: make([]byte, MaxPieces/8)},
			}},
			{Track: 2},
		}},
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	for name, m := range messages() {
		t.Run(name, func(t *testing.T) {
			b := Append(nil, m)
			if Type(b[0]) != m.Type() {
				t.Errorf("first byte %d, want %d", b[0], m.Type())
			}
			got, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, m) {
				t.Errorf("parsed %+v\nwant   %+v", got, m)
			}
			if again := Append(nil, got); !bytes.Equal(again, b) {
				t.Errorf("encoded again %x\nwant          %x", again, b)
			}
		})
	}
}

// TestCutAndLongMessages shows that no message is a beginning of another.
func TestCutAndLongMessages(t *testing.T) {
	for name, m := range messages() {
		b := Append(nil, m)
		for n := range b {
			if _, err := Parse(b[:n:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: the first %d of %d bytes: %v", name, n, len(b), err)
			}
		}
		if _, err := Parse(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: one byte too many: %v", name, err)
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	tree := []byte{0, 0, 0, 5, 2, 7}
	cases := map[string][]byte{
		"empty":                {},
		"unknown type":         {255},
		"type between":         {byte(TypePiece) + 1},
		"after the last":       {byte(TypePeers) + 1},
		"too long":             append([]byte{byte(TypePeers)}, make([]byte, MaxMessage)...),
		"hello of no role":     Append(nil, &Hello{Role: 9}),
		"long ticket":          Append(nil, &Hello{Role: RoleEdge, Ticket: make([]byte, maxTicket+1)}),
		"piece via nothing":    append([]byte{byte(TypePiece), 3}, testPiece(false, 1, []byte{1}).Raw()...),
		"track 0":              {byte(TypeSubscribe), 0, 0, 0, 5, 0, 7, 0, 0, 0, 0, 0},
		"substream 16":         {byte(TypeSubscribe), 0, 0, 0, 5, 1, 16, 0, 0, 0, 0, 0},
		"accept of more flags": append(append([]byte{byte(TypeAccept)}, tree...), 2, 0, 0),
		"path too long":        append(append(append([]byte{byte(TypeAccept)}, tree...), 0, MaxPath+1), make([]byte, 8*(MaxPath+1)+1)...),
		"refusal of no reason": append(append([]byte{byte(TypeRefuse)}, tree...), 0, 0),
		"refusal out of range": append(append([]byte{byte(TypeRefuse)}, tree...), byte(RefuseRole)+1, 0),
		"request by push":      Append(nil, &Request{Via: Push, IDs: []PieceID{{1, 1, 1}}}),
		"request of nothing":   Append(nil, &Request{Via: Repair}),
		"lack of nothing":      Append(nil, &Lack{}),
		"piece index":          Append(nil, &Lack{IDs: []PieceID{{1, 1, MaxPieces}}}),
		"piece of track 0":     Append(nil, &Lack{IDs: []PieceID{{0, 1, 0}}}),
		"have of track 0":      Append(nil, &Have{Tracks: []TrackHave{{}}}),
		"start after newest":   Append(nil, &Have{Tracks: []TrackHave{{Track: 1, Newest: 1, Start: 2}}}),
		"base after newest":    Append(nil, &Have{Tracks: []TrackHave{{Track: 1, Newest: 1, Base: 2}}}),
		"too many pieces":      Append(nil, &Have{Tracks: []TrackHave{{Track: 1, Fragments: []FragmentHave{{Count: MaxPieces + 1}}}}}),
		"bitmap of none":       Append(nil, &Have{Tracks: []TrackHave{{Track: 1, Fragments: []FragmentHave{{Count: 0, Bits: []byte{}}}}}}),
		"too many fragments":   Append(nil, &Have{Tracks: []TrackHave{{Track: 1, Fragments: make([]FragmentHave, MaxHave+1)}}}),
		"too many tracks":      Append(nil, &Have{Tracks: make([]TrackHave, MaxTracks+1)}),
		"peer of no role":      Append(nil, &Peers{Peers: []PeerInfo{{}}}),
		"too many peers":       {byte(TypePeers), MaxPeers + 1},
		"too many trees":       {byte(TypeHeartbeat), 0, 0, 0, 1, 0, 0, 1, 1},
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			if m, err := Parse(b); !errors.Is(err, ErrMalformed) {
				t.Errorf("parsed as %+v, %v", m, err)
			}
		})
	}
}

// TestAddresses shows what is left out when sent, and refused when received.
func TestAddresses(t *testing.T) {
	p := testInfo(1, "192.0.2.1:1", "[::ffff:192.0.2.2]:2", "[fe80::1%eth0]:3", "0.0.0.0:4", "224.0.0.1:5", "192.0.2.3:0")
	p.Addrs = append(p.Addrs, netip.AddrPort{})
	got, err := Parse(Append(nil, &Peers{Peers: []PeerInfo{p}}))
	if err != nil {
		t.Fatal(err)
	}
	want := testInfo(1, "192.0.2.1:1", "192.0.2.2:2", "[fe80::1]:3")
	if info := got.(*Peers).Peers[0]; !reflect.DeepEqual(info, want) {
		t.Errorf("parsed %v, want %v", info, want)
	}

	many := testInfo(2)
	for i := range MaxAddrs + 3 {
		many.Addrs = append(many.Addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(i+1)))
	}
	got, err = Parse(Append(nil, &Peers{Peers: []PeerInfo{many}}))
	if err != nil || len(got.(*Peers).Peers[0].Addrs) != MaxAddrs {
		t.Errorf("parsed %v, %v, want %d addresses", got, err, MaxAddrs)
	}

	good := Append(nil, &Peers{Peers: []PeerInfo{testInfo(1, "192.0.2.1:1")}})
	for name, tail := range map[string][]byte{
		"unspecified": {4, 0, 0, 0, 0, 0, 1},
		"multicast":   {4, 224, 0, 0, 1, 0, 1},
		"port 0":      {4, 192, 0, 2, 1, 0, 0},
		"size":        {5, 192, 0, 2, 1, 0, 1, 1},
		"mapped":      {16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1, 0, 1},
	} {
		b := append(bytes.Clone(good[:len(good)-7]), tail...)
		if _, err := Parse(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: parsed, %v", name, err)
		}
	}
}

// FuzzParse holds Parse to two things: nothing makes it panic, and what it
// takes means the same after another round.
func FuzzParse(f *testing.F) {
	for _, m := range messages() {
		f.Add(Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(bytes.Clone(b))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again := Append(nil, m)
		if len(again) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
		m2, err := Parse(again)
		if err != nil {
			t.Fatalf("%+v does not parse again: %v", m, err)
		}
		if !reflect.DeepEqual(m, m2) {
			t.Fatalf("%+v became %+v", m, m2)
		}
	})
}
