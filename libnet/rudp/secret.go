// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/ecdh"
	"errors"
	"fmt"
)

// SharedSecret is X25519 of the identity's private key and the other's public
// key (RFC 7748): 32 bytes that only these two can compute. It lets another
// protocol have a peer prove its id; derive a key or MAC from it with a context
// of that protocol, never use it as it is.
func (i Identity) SharedSecret(other PeerID) ([]byte, error) {
	if i.IsZero() {
		return nil, errors.New("shared secret: the identity has no key")
	}
	key, err := ecdh.X25519().NewPrivateKey(i.key.Private)
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	pub, err := ecdh.X25519().NewPublicKey(other[:])
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	secret, err := key.ECDH(pub) // refuses points of low order
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	return secret, nil
}
