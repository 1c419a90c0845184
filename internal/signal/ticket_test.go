// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"p2plive/internal/wire"
)

func testKey(seed byte) ed25519.PrivateKey {
	b := make([]byte, ed25519.SeedSize)
	b[0] = seed
	return ed25519.NewKeyFromSeed(b)
}

func TestTicket(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	key := testKey(1)
	pub := key.Public().(ed25519.PublicKey)
	want := Ticket{Stream: StreamID{1}, Peer: PeerID{2}, Role: wire.RoleViewer, Expires: now.Add(time.Hour)}
	good := IssueTicket(key, want)

	flipped := func(i int) []byte {
		b := append([]byte(nil), good...)
		b[i] ^= 1
		return b
	}
	everyStream := want
	everyStream.Stream = StreamID{}
	tests := []struct {
		name   string
		pub    ed25519.PublicKey
		ticket []byte
		peer   PeerID
		now    time.Time
		err    error
	}{
		{"good", pub, good, PeerID{2}, now, nil},
		{"within the clocks' difference", pub, good, PeerID{2}, want.Expires.Add(ClockSkew), nil},
		{"expired", pub, good, PeerID{2}, want.Expires.Add(ClockSkew + time.Nanosecond), ErrTicketExpired},
		{"another peer", pub, good, PeerID{3}, now, ErrTicketPeer},
		{"another tracker", testKey(2).Public().(ed25519.PublicKey), good, PeerID{2}, now, ErrTicketSignature},
		{"no tracker", nil, good, PeerID{2}, now, ErrTicketSignature},
		{"another stream written in", pub, flipped(5), PeerID{2}, now, ErrTicketSignature},
		{"signature damaged", pub, flipped(TicketSize - 1), PeerID{2}, now, ErrTicketSignature},
		{"another version", pub, flipped(0), PeerID{2}, now, ErrTicketMalformed},
		{"short", pub, good[:TicketSize-1], PeerID{2}, now, ErrTicketMalformed},
		{"long", pub, append(good[:TicketSize:TicketSize], 0), PeerID{2}, now, ErrTicketMalformed},
		{"empty", pub, nil, PeerID{2}, now, ErrTicketMalformed},
		{"a viewer of every stream", pub, IssueTicket(key, everyStream), PeerID{2}, now, ErrTicketMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := VerifyTicket(tt.pub, tt.ticket, tt.peer, tt.now)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil && (got.Stream != want.Stream || got.Peer != want.Peer || got.Role != want.Role || !got.Expires.Equal(want.Expires)) {
				t.Errorf("ticket %+v, want %+v", got, want)
			}
		})
	}
}

func TestTicketAdmits(t *testing.T) {
	a, b := StreamID{1}, StreamID{2}
	tests := []struct {
		name   string
		ticket Ticket
		want   bool
	}{
		{"its own", Ticket{Stream: a, Role: wire.RoleViewer}, true},
		{"another", Ticket{Stream: b, Role: wire.RoleViewer}, false},
		{"edge of every stream", Ticket{Role: wire.RoleEdge}, true},
		{"source of every stream", Ticket{Role: wire.RoleSource}, false},
	}
	for _, tt := range tests {
		if got := tt.ticket.Admits(a); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestKeyringKeepsThePreviousKey(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var ring Keyring
	issue := func(seed byte) []byte {
		return IssueTicket(testKey(seed), Ticket{Stream: StreamID{1}, Peer: PeerID{2}, Role: wire.RoleViewer, Expires: now})
	}
	if _, err := ring.Verify(issue(1), PeerID{2}, now); !errors.Is(err, ErrTicketSignature) {
		t.Fatalf("empty ring: %v", err)
	}
	for seed := byte(1); seed <= 3; seed++ {
		pub := testKey(seed).Public().(ed25519.PublicKey)
		ring.Add(pub)
		ring.Add(pub) // a reconnection to the same tracker pushes nothing out
	}
	for seed, want := range map[byte]error{1: ErrTicketSignature, 2: nil, 3: nil} {
		if _, err := ring.Verify(issue(seed), PeerID{2}, now); !errors.Is(err, want) {
			t.Errorf("key %d: error %v, want %v", seed, err, want)
		}
	}
}

func FuzzTicket(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	key := testKey(1)
	pub := key.Public().(ed25519.PublicKey)
	issued := IssueTicket(key, Ticket{Stream: StreamID{1}, Peer: PeerID{2}, Role: wire.RoleViewer, Expires: now})
	f.Add(issued)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := ParseTicket(b)
		if err == nil {
			// What parses is what would be encoded again.
			again := IssueTicket(key, parsed)
			if string(again[:ticketBodySize]) != string(b[:ticketBodySize]) {
				t.Fatalf("%x encodes as %x", b, again)
			}
		}
		if _, err := VerifyTicket(pub, b, PeerID{2}, now); err == nil && string(b) != string(issued) {
			t.Fatalf("forged: %x", b)
		}
	})
}
