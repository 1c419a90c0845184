// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"p2plive/internal/wire"
)

// Layout of a ticket, big endian:
//
//	0        version = 1
//	1..32    stream id; all zero: every stream (edges)
//	33..64   peer id
//	65       role
//	66..73   expiry, Unix seconds
//	74..137  Ed25519 signature by the tracker over ticketContext and bytes 0..73
const (
	ticketVersion  = 1
	ticketBodySize = 1 + idSize + idSize + 1 + 8

	// TicketSize is the length of a ticket in bytes.
	TicketSize = ticketBodySize + ed25519.SignatureSize

	// ticketContext keeps the signature from being of use as anything else.
	ticketContext = "p2plive ticket v1\x00"
)

// ClockSkew is how long after its expiry a ticket still admits: the clocks of
// tracker and peer may differ.
const ClockSkew = 2 * time.Minute

// Why a ticket does not admit.
var (
	ErrTicketMalformed = errors.New("ticket: malformed")
	ErrTicketSignature = errors.New("ticket: not signed by this tracker")
	ErrTicketPeer      = errors.New("ticket: issued to another peer")
	ErrTicketExpired   = errors.New("ticket: expired")
)

// Ticket is the tracker's word that a peer may take part in a stream.
type Ticket struct {
	Stream  StreamID // zero: every stream
	Peer    PeerID
	Role    Role
	Expires time.Time // whole seconds
}

// Admits says that the ticket is good for a stream.
func (t Ticket) Admits(stream StreamID) bool {
	return t.Stream == stream || t.Stream == StreamID{} && t.Role == wire.RoleEdge
}

// IssueTicket encodes and signs a ticket with the tracker's key.
func IssueTicket(priv ed25519.PrivateKey, t Ticket) []byte {
	b := make([]byte, 0, TicketSize)
	b = append(b, ticketVersion)
	b = append(b, t.Stream[:]...)
	b = append(b, t.Peer[:]...)
	b = append(b, byte(t.Role))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires.Unix()))
	return append(b, ed25519.Sign(priv, ticketMessage(b))...)
}

func ticketMessage(body []byte) []byte {
	return append([]byte(ticketContext), body...)
}

// ParseTicket decodes a ticket without checking its signature: for the holder,
// who wants to know when it expires.
func ParseTicket(b []byte) (Ticket, error) {
	if len(b) != TicketSize || b[0] != ticketVersion {
		return Ticket{}, ErrTicketMalformed
	}
	t := Ticket{
		Stream: StreamID(b[1:33]),
		Peer:   PeerID(b[33:65]),
		Role:   Role(b[65]),
	}
	expires := binary.BigEndian.Uint64(b[66:74])
	// Beyond this, time.Unix would overflow in later arithmetic.
	if !t.Role.Valid() || expires > 1<<40 {
		return Ticket{}, ErrTicketMalformed
	}
	if (t.Stream == StreamID{}) && t.Role != wire.RoleEdge {
		return Ticket{}, ErrTicketMalformed
	}
	t.Expires = time.Unix(int64(expires), 0)
	return t, nil
}

// VerifyTicket checks a ticket that the given peer presents. The error is one
// of the ErrTicket errors. The caller still has to ask Admits for its stream.
func VerifyTicket(pub ed25519.PublicKey, ticket []byte, peer [32]byte, now time.Time) (Ticket, error) {
	t, err := ParseTicket(ticket)
	if err != nil {
		return Ticket{}, err
	}
	if t.Peer != peer {
		return Ticket{}, ErrTicketPeer
	}
	if now.After(t.Expires.Add(ClockSkew)) {
		return Ticket{}, ErrTicketExpired
	}
	// Last: it costs a thousand times more than the rest.
	if len(pub) != ed25519.PublicKeySize ||
		!ed25519.Verify(pub, ticketMessage(ticket[:ticketBodySize]), ticket[ticketBodySize:]) {
		return Ticket{}, ErrTicketSignature
	}
	return t, nil
}

// Keyring holds the tracker keys whose tickets a peer accepts: the newest and
// the one before it, because after a restart of the tracker peers learn its new
// key one after another. The zero value accepts nothing. Safe for concurrent use.
type Keyring struct {
	mu   sync.Mutex
	keys [2]ed25519.PublicKey // newest first
}

// Add makes pub the newest key.
func (k *Keyring) Add(pub ed25519.PublicKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !pub.Equal(k.keys[0]) {
		k.keys[0], k.keys[1] = pub, k.keys[0]
	}
}

// Verify is VerifyTicket with any key of the ring.
func (k *Keyring) Verify(ticket []byte, peer [32]byte, now time.Time) (Ticket, error) {
	k.mu.Lock()
	keys := k.keys
	k.mu.Unlock()
	t, err := VerifyTicket(keys[0], ticket, peer, now)
	if errors.Is(err, ErrTicketSignature) && keys[1] != nil {
		t, err = VerifyTicket(keys[1], ticket, peer, now)
	}
	return t, err
}
