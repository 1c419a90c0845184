// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/flynn/noise"
)

// PeerID is a peer's static X25519 public key: who proves to hold the private key is the peer.
type PeerID [32]byte

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String gives the id in lower-case base32 without padding, 52 characters.
func (id PeerID) String() string { return idEncoding.EncodeToString(id[:]) }

// IsZero tells whether the id is unset.
func (id PeerID) IsZero() bool { return id == PeerID{} }

// MarshalText implements encoding.TextMarshaler with the form of String.
func (id PeerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParsePeerID.
func (id *PeerID) UnmarshalText(text []byte) error {
	parsed, err := ParsePeerID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// ParsePeerID reads the form that PeerID.String writes; upper case is accepted too.
func ParsePeerID(s string) (PeerID, error) {
	var id PeerID
	if len(s) != idEncoding.EncodedLen(len(id)) {
		return PeerID{}, fmt.Errorf("parse peer id: want %d characters, got %d", idEncoding.EncodedLen(len(id)), len(s))
	}
	b, err := idEncoding.DecodeString(strings.ToLower(s))
	if err != nil {
		return PeerID{}, fmt.Errorf("parse peer id: %w", err)
	}
	copy(id[:], b)
	if id.String() != strings.ToLower(s) {
		return PeerID{}, errors.New("parse peer id: unused bits are set")
	}
	return id, nil
}

// Identity is a peer's static X25519 key pair. The zero Identity has no key.
type Identity struct {
	key noise.DHKey
}

// NewIdentity makes a random key pair.
func NewIdentity() (Identity, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return Identity{}, fmt.Errorf("make identity: %w", err)
	}
	return identityOf(key), nil
}

func identityOf(key *ecdh.PrivateKey) Identity {
	return Identity{key: noise.DHKey{Private: key.Bytes(), Public: key.PublicKey().Bytes()}}
}

// ID is the public half.
func (i Identity) ID() PeerID {
	var id PeerID
	copy(id[:], i.key.Public)
	return id
}

// IsZero tells whether the identity has no key.
func (i Identity) IsZero() bool { return len(i.key.Private) == 0 }

// LoadOrCreateIdentity reads the private key from file (64 hexadecimal digits and a newline), or makes
// one and writes it there, readable by the owner alone (mode 0600).
func LoadOrCreateIdentity(file string) (Identity, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return createIdentity(file)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("load identity: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return Identity{}, fmt.Errorf("load identity %s: not a hexadecimal key", file)
	}
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return Identity{}, fmt.Errorf("load identity %s: %w", file, err)
	}
	return identityOf(key), nil
}

func createIdentity(file string) (Identity, error) {
	id, err := NewIdentity()
	if err != nil {
		return Identity{}, err
	}
	// O_EXCL: of two processes that start at once, one creates the key and the other one fails rather
	// than running under a key that the file does not keep.
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Identity{}, fmt.Errorf("create identity: %w", err)
	}
	_, err = f.WriteString(hex.EncodeToString(id.key.Private) + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(file)
		return Identity{}, fmt.Errorf("create identity: %w", err)
	}
	return id, nil
}
