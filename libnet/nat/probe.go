// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// First bytes of datagrams of hole punching. 4 to 15 are unassigned in RFC 7983; sessions use 4 to 7.
const (
	typeProbe   = 0x08 // peer to peer
	typeRequest = 0x09 // peer to tracker
	typeReply   = 0x0a // tracker to peer
)

// PeerKey is a peer's static X25519 public key.
type PeerKey [32]byte

// AttemptID names one attempt of two peers to reach each other. The one who asks draws it at random.
type AttemptID [8]byte

const (
	punchVersion = 1
	punchMACLen  = 16
	probeLen     = 3 + 8 + 4 + 4 + punchMACLen
)

// probeKind says what a probe is.
type probeKind byte

const (
	kindProbe  probeKind = 1 // wants an answer
	kindAnswer probeKind = 2
)

// probe is a datagram between two peers that try to reach each other.
type probe struct {
	kind    probeKind
	attempt AttemptID
	number  uint32 // of the sender's datagrams in this attempt: 1, 2, 3...
	echo    uint32 // of the probe that is answered
}

// probeKey authenticates what one of two peers sends in an attempt. It is derived from the X25519 secret that
// only these two can compute, so that nobody else can make or change a probe; the direction is part of it, so
// that none can be sent back to where it came from.
func probeKey(secret []byte, attempt AttemptID, from, to PeerKey) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("p2plive punch v1\x00"))
	m.Write(attempt[:])
	m.Write(from[:])
	m.Write(to[:])
	return m.Sum(nil)
}

func punchMAC(key, b []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(b)
	return m.Sum(nil)[:punchMACLen]
}

func (p probe) encode(key []byte) []byte {
	b := make([]byte, 0, probeLen)
	b = append(b, typeProbe, punchVersion, byte(p.kind))
	b = append(b, p.attempt[:]...)
	b = binary.BigEndian.AppendUint32(b, p.number)
	b = binary.BigEndian.AppendUint32(b, p.echo)
	return append(b, punchMAC(key, b)...)
}

// ProbeAttempt tells whether a datagram looks like a probe, and of which attempt. Only that attempt's Puncher
// can tell whether it is genuine.
func ProbeAttempt(b []byte) (AttemptID, bool) {
	if len(b) != probeLen || b[0] != typeProbe || b[1] != punchVersion {
		return AttemptID{}, false
	}
	return AttemptID(b[3:11]), true
}

// openProbe reads a probe that was authenticated with key.
func openProbe(b, key []byte) (probe, bool) {
	attempt, ok := ProbeAttempt(b)
	if !ok || !hmac.Equal(punchMAC(key, b[:probeLen-punchMACLen]), b[probeLen-punchMACLen:]) {
		return probe{}, false
	}
	p := probe{
		kind: probeKind(b[2]), attempt: attempt,
		number: binary.BigEndian.Uint32(b[11:]), echo: binary.BigEndian.Uint32(b[15:]),
	}
	return p, p.kind == kindProbe || p.kind == kindAnswer
}

// numbers remembers which numbers have come. Those beyond the most that a peer may send count as seen.
type numbers [maxNumber/64 + 1]uint64

// take tells whether a number is new, and remembers it.
func (n *numbers) take(number uint32) bool {
	if number == 0 || number > maxNumber {
		return false
	}
	word, bit := number/64, uint64(1)<<(number%64)
	if n[word]&bit != 0 {
		return false
	}
	n[word] |= bit
	return true
}
