// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"crypto/ed25519"
	"testing"

	"p2plive/libnet/rudp"
)

func newIdentity(t testing.TB) rudp.Identity {
	t.Helper()
	id, err := rudp.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// variants are the same challenge with one thing changed each.
func variants(c Challenge) map[string]Challenge {
	otherNonce, otherTracker, otherPeer := c, c, c
	otherNonce.Nonce = []byte("another nonce")
	otherTracker.TrackerKey = testKey(77).Public().(ed25519.PublicKey)
	otherPeer.Peer = PeerID{77}
	return map[string]Challenge{"nonce": otherNonce, "tracker": otherTracker, "peer": otherPeer}
}

func TestProofs(t *testing.T) {
	me, tracker := newIdentity(t), newIdentity(t)
	c := Challenge{Nonce: make([]byte, NonceSize), TrackerKey: testKey(1).Public().(ed25519.PublicKey), Peer: PeerID(me.ID())}
	key, stream := []byte("secret"), testKey(5)
	streamID := StreamID(stream.Public().(ed25519.PublicKey))
	identity, err := c.ProveIdentity(me, tracker.ID())
	if err != nil {
		t.Fatal(err)
	}
	edge, publish, signature := c.ProveEdgeKey(key), c.ProvePublishKey(key), c.SignStream(stream, "radio")

	if c.CheckIdentity(tracker, identity) != nil || !c.CheckEdgeKey(key, edge) ||
		!c.CheckPublishKey(key, publish) || !c.CheckStream(streamID, "radio", signature) {
		t.Fatal("a true proof is refused")
	}
	for what, other := range variants(c) {
		if other.CheckIdentity(tracker, identity) == nil || other.CheckEdgeKey(key, edge) ||
			other.CheckPublishKey(key, publish) || other.CheckStream(streamID, "radio", signature) {
			t.Errorf("a proof holds for another %s", what)
		}
	}
	if c.CheckIdentity(newIdentity(t), identity) == nil {
		t.Error("an identity proof holds for another challenge key")
	}
	if c.CheckEdgeKey(key, publish) || c.CheckPublishKey(key, edge) {
		t.Error("a proof of one key is taken for the other")
	}
	if c.CheckEdgeKey([]byte("other"), edge) || c.CheckEdgeKey(key, nil) {
		t.Error("a wrong edge key is accepted")
	}
	if c.CheckStream(streamID, "radio2", signature) || c.CheckStream(streamID, "radio", nil) {
		t.Error("a signature holds for another name")
	}
}

func TestIdentityProofOfLowOrderPoint(t *testing.T) {
	// With the zero point anyone knows the "shared" secret.
	c := Challenge{Nonce: make([]byte, NonceSize), Peer: PeerID{}}
	forged := c.mac(make([]byte, 32), identityContext)
	if c.CheckIdentity(newIdentity(t), forged) == nil {
		t.Error("the zero point proves an identity")
	}
}
