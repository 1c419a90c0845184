// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/ecdh"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/flynn/noise"
)

// The handshake is Noise_IK_25519_AESGCM_BLAKE2s: the initiator knows the responder's static key, tells its
// own in the first message, and after one round trip both hold two keys, one for each direction. This file
// is the handshake without sockets or time.

// prologueName separates this protocol and its versions from any other use of the same keys.
const prologueName = "p2plive rudp 3\x00"

var cipherSuite = noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashBLAKE2s)

var errHandshake = errors.New("rudp: malformed handshake")

// Status in a response.
const (
	statusAccepted = 0
	statusBusy     = 1
)

// sessionKeys are what a handshake ends with.
type sessionKeys struct {
	send, recv *keyChain
}

// noiseConfig binds the handshake to the protocol, to the application's prologue (its length is not
// ambiguous: header and name have fixed lengths) and to the initiation's header.
func noiseConfig(id Identity, initiator bool, prologue, header []byte) noise.Config {
	p := append([]byte(prologueName), header...)
	return noise.Config{
		CipherSuite:   cipherSuite,
		Pattern:       noise.HandshakeIK,
		Initiator:     initiator,
		Prologue:      append(p, prologue...),
		StaticKeypair: id.key,
	}
}

// initiation is the initiator's side between the two messages.
type initiation struct {
	datagram []byte // sent again, with a cookie if one is asked for, until a response comes
	cookies  int    // that were asked for
	state    *noise.HandshakeState
}

func newInitiation(id Identity, prologue []byte, local connID, peer PeerID) (*initiation, error) {
	header := appendHandshakeHeader(make([]byte, 0, BaseDatagram), typeInitiation, local)
	cfg := noiseConfig(id, true, prologue, header)
	cfg.PeerStatic = peer[:]
	state, err := noise.NewHandshakeState(cfg)
	if err != nil {
		return nil, fmt.Errorf("start handshake: %w", err)
	}
	// The padding makes the initiation as long as the longest datagram: the responder answers with less
	// than it got, and a path that cannot carry full datagrams fails here and not later.
	datagram, _, _, err := state.WriteMessage(header, make([]byte, initPadding))
	if err != nil {
		return nil, fmt.Errorf("start handshake: %w", err)
	}
	// Room for a cookie, which a responder under load asks for.
	datagram = append(datagram, make([]byte, cookieLen)...)
	return &initiation{datagram: datagram, state: state}, nil
}

// finish reads a response whose header has been checked. After an error the initiation can still be
// finished by the genuine response.
func (i *initiation) finish(response []byte) (keys sessionKeys, remote connID, status byte, err error) {
	msg := response[respHeaderLen:]
	if !usablePoint(msg[:keyLen]) {
		return keys, 0, 0, errHandshake
	}
	payload, send, recv, err := i.state.ReadMessage(nil, msg)
	if err != nil {
		return keys, 0, 0, err
	}
	if len(payload) != respPayloadLen {
		return keys, 0, 0, errHandshake
	}
	keys, err = newSessionKeys(send, recv)
	return keys, connID(binary.BigEndian.Uint64(payload[1:])), payload[0], err
}

// usablePoint tells whether a public key is a point that a Diffie-Hellman exchange can use. flynn/noise
// finds that out too, but then its state is spoiled for the genuine message.
func usablePoint(public []byte) bool {
	pub, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return false
	}
	_, err = probeKey.ECDH(pub)
	return err == nil
}

// probeKey is no secret: any private key finds the points of low order.
var probeKey = func() *ecdh.PrivateKey {
	var one [32]byte
	one[0] = 1
	key, err := ecdh.X25519().NewPrivateKey(one[:])
	if err != nil {
		panic(err) // cannot happen: any 32 bytes are a key
	}
	return key
}()

// admission is the responder's side after an initiation that verified.
type admission struct {
	peer      PeerID
	initiator connID
	state     *noise.HandshakeState
}

// readInitiation verifies an initiation whose header has been checked.
func readInitiation(id Identity, prologue, datagram []byte) (*admission, error) {
	state, err := noise.NewHandshakeState(noiseConfig(id, false, prologue, datagram[:initHeaderLen]))
	if err != nil {
		return nil, err
	}
	if _, _, _, err = state.ReadMessage(nil, datagram[initHeaderLen:len(datagram)-cookieLen]); err != nil {
		return nil, err
	}
	a := &admission{initiator: connID(binary.BigEndian.Uint64(datagram[4:])), state: state}
	if copy(a.peer[:], state.PeerStatic()) != len(a.peer) {
		return nil, errHandshake
	}
	return a, nil
}

// respond writes the response and gives the session's keys.
func (a *admission) respond(status byte, local connID) (datagram []byte, keys sessionKeys, err error) {
	payload := binary.BigEndian.AppendUint64([]byte{status}, uint64(local))
	header := appendHandshakeHeader(make([]byte, 0, responseLen), typeResponse, a.initiator)
	// The first of the two ciphers is the initiator's to send with.
	datagram, recv, send, err := a.state.WriteMessage(header, payload)
	if err != nil {
		return nil, keys, fmt.Errorf("answer handshake: %w", err)
	}
	keys, err = newSessionKeys(send, recv)
	return datagram, keys, err
}

func newSessionKeys(send, recv *noise.CipherState) (keys sessionKeys, err error) {
	if keys.send, err = newKeyChain(send.UnsafeKey()); err != nil {
		return keys, err
	}
	keys.recv, err = newKeyChain(recv.UnsafeKey())
	return keys, err
}
