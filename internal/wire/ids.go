// SPDX-License-Identifier: GPL-3.0-or-later

package wire

import (
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// StreamID names a stream: the Ed25519 public key of its source.
type StreamID [32]byte

// PeerID names a peer: the X25519 public key of its sessions.
type PeerID [32]byte

// TrackID names a track of a stream. Zero is never a track.
type TrackID uint8

// Seq counts the fragments of one track in one epoch, from zero.
type Seq uint32

// Epoch tells one run of a source from the next: the source's wall clock at
// its start, in Unix milliseconds. A newer epoch replaces an older one.
type Epoch uint64

// Substream names one of the K trees that a track's pieces are dealt to.
type Substream uint8

// PieceID names a piece within one epoch of a stream.
type PieceID struct {
	Track TrackID
	Seq   Seq
	Index uint16
}

// Tree names one distribution tree: a substream of a track.
type Tree struct {
	Track     TrackID
	Substream Substream
}

// Substream deals the piece to one of k substreams. Neighbouring fragments go
// different ways, and so do the pieces of one: of two, the second goes half of the
// substreams further, so that the pieces of each substream come evenly.
func (id PieceID) Substream(k uint8) Substream {
	if k <= 1 {
		return 0
	}
	n, i := uint64(k), uint64(id.Index)%uint64(k)
	return Substream((uint64(id.Seq) + i%2*((n+1)/2) + i/2) % n)
}

// Role says what a peer does in a stream.
type Role uint8

// Roles of peers.
const (
	RoleSource Role = 1 + iota
	RoleEdge
	RoleViewer
)

// Valid reports whether r is a known role.
func (r Role) Valid() bool { return r >= RoleSource && r <= RoleViewer }

// String returns the role's name as users see it.
func (r Role) String() string {
	switch r {
	case RoleSource:
		return "source"
	case RoleEdge:
		return "edge"
	case RoleViewer:
		return "viewer"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ErrBadID is returned for text that is not a stream or peer id.
var ErrBadID = errors.New("not an id: want 52 letters and digits 2-7")

func parseID(s string) (id [32]byte, err error) {
	b, err := idEncoding.DecodeString(strings.ToLower(s))
	if err != nil || len(b) != len(id) {
		return id, ErrBadID
	}
	return [32]byte(b), nil
}

// String returns the id in lower-case base32 without padding (52 characters).
func (id StreamID) String() string { return idEncoding.EncodeToString(id[:]) }

// String returns the id in lower-case base32 without padding (52 characters).
func (id PeerID) String() string { return idEncoding.EncodeToString(id[:]) }

// Short returns the first eight characters of the id, for logs and tables.
func (id PeerID) Short() string { return id.String()[:8] }

// MarshalText makes ids readable in JSON.
func (id StreamID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText makes ids readable in JSON.
func (id PeerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ParseStreamID reads what StreamID.String wrote.
func ParseStreamID(s string) (StreamID, error) {
	id, err := parseID(s)
	return StreamID(id), err
}

// ParsePeerID reads what PeerID.String wrote.
func ParsePeerID(s string) (PeerID, error) {
	id, err := parseID(s)
	return PeerID(id), err
}
