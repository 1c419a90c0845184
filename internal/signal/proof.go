// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
)

// NonceSize is the length in bytes of the nonce in Hello.
const NonceSize = 32

// ErrBadProof says that an announce does not prove what it claims.
var ErrBadProof = errors.New("proof does not match")

// Challenge is what every proof of one connection covers. The nonce keeps a
// proof from being replayed, the tracker's key and the peer id keep a tracker
// from using a proof at another tracker for a peer of its own.
type Challenge struct {
	Nonce      []byte
	TrackerKey ed25519.PublicKey
	Peer       PeerID
}

func (c Challenge) message(context string, more ...[]byte) []byte {
	var b []byte
	for _, part := range append([][]byte{[]byte(context), c.Nonce, c.TrackerKey, c.Peer[:]}, more...) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

func (c Challenge) mac(key []byte, context string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(c.message(context))
	return h.Sum(nil)
}

const (
	identityContext = "p2plive identity v1"
	edgeKeyContext  = "p2plive edge key v1"
	publishContext  = "p2plive publish key v1"
	streamContext   = "p2plive stream v1"
	requestContext  = "p2plive request key v1"
	tagContext      = "p2plive request tag v1"
)

// ProveIdentity shows that the peer holds the private key of its peer id: a MAC
// under the X25519 secret that it shares with the tracker's challenge key.
func (c Challenge) ProveIdentity(peer rudp.Identity, challengeKey rudp.PeerID) ([]byte, error) {
	secret, err := peer.SharedSecret(challengeKey)
	if err != nil {
		return nil, err
	}
	return c.mac(secret, identityContext), nil
}

// CheckIdentity is the tracker's side of ProveIdentity; challenge is the
// identity whose public half was the challenge key.
func (c Challenge) CheckIdentity(challenge rudp.Identity, proof []byte) error {
	secret, err := challenge.SharedSecret(rudp.PeerID(c.Peer))
	if err != nil || !hmac.Equal(c.mac(secret, identityContext), proof) {
		return ErrBadProof
	}
	return nil
}

// ProveEdgeKey shows knowledge of the edge key without sending it.
func (c Challenge) ProveEdgeKey(key []byte) []byte { return c.mac(key, edgeKeyContext) }

// CheckEdgeKey compares in constant time.
func (c Challenge) CheckEdgeKey(key, proof []byte) bool {
	return hmac.Equal(c.ProveEdgeKey(key), proof)
}

// ProvePublishKey shows knowledge of the publish key without sending it.
func (c Challenge) ProvePublishKey(key []byte) []byte { return c.mac(key, publishContext) }

// CheckPublishKey compares in constant time.
func (c Challenge) CheckPublishKey(key, proof []byte) bool {
	return hmac.Equal(c.ProvePublishKey(key), proof)
}

// SignStream shows that a source owns the stream that it wants to announce
// under a name.
func (c Challenge) SignStream(priv ed25519.PrivateKey, name string) []byte {
	return ed25519.Sign(priv, c.message(streamContext, []byte(name)))
}

// CheckStream is the tracker's side of SignStream.
func (c Challenge) CheckStream(stream StreamID, name string, signature []byte) bool {
	return ed25519.Verify(stream[:], c.message(streamContext, []byte(name)), signature)
}

// RequestKey is the key of the connection's requests on the tracker's UDP port. The peer gives its identity and the
// challenge key, the tracker the challenge's identity and the peer id.
func (c Challenge) RequestKey(own rudp.Identity, other rudp.PeerID) (nat.RequestKey, error) {
	secret, err := own.SharedSecret(other)
	if err != nil {
		return nat.RequestKey{}, err
	}
	return nat.RequestKey{Tag: [8]byte(c.mac(secret, tagContext)), Key: [32]byte(c.mac(secret, requestContext))}, nil
}
