// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import "encoding/binary"

// The first byte of a datagram. 4 to 15 are unassigned in RFC 7983 and RFC 9443, so that STUN (0 to 3)
// and, should one socket ever carry them, DTLS, TURN and RTP stay told apart.
const (
	typeInitiation = 0x04
	typeResponse   = 0x05
	typeData       = 0x06
	typeRetry      = 0x07 // the answer to an initiation under load
)

// version is the protocol's version, in all handshake messages.
const version = 3

// connID names a session in the datagrams to the side that chose it at random.
type connID uint64

const (
	keyLen = 32
	tagLen = 16 // AES-GCM's tag

	// Initiation: type, version, two bytes zero, initiator's connection id; then Noise message 1, and a cookie or
	// zeros.
	initHeaderLen = 12
	noiseInitLen  = keyLen + keyLen + tagLen + tagLen // e, sealed s, tag of the payload
	cookieLen     = 16
	initPadding   = BaseDatagram - initHeaderLen - noiseInitLen - cookieLen

	// Response: type, version, two bytes zero, initiator's connection id; then Noise message 2, whose
	// payload is a status and the responder's connection id.
	respHeaderLen  = 12
	respPayloadLen = 9
	responseLen    = respHeaderLen + keyLen + respPayloadLen + tagLen

	// Retry: type, version, two bytes zero, initiator's connection id, cookie.
	retryLen = 12 + cookieLen

	// Data: type, receiver's connection id, the lower half of the counter; then the sealed frames.
	dataHeaderLen = 13
)

// foreign tells whether the first byte is that of another protocol.
func foreign(b []byte) bool {
	return len(b) == 0 || b[0] < typeInitiation || b[0] > typeRetry
}

// appendHandshakeHeader writes the header that initiation and response share. It is authenticated as
// part of the Noise prologue.
func appendHandshakeHeader(b []byte, kind byte, initiator connID) []byte {
	b = append(b, kind, version, 0, 0)
	return binary.BigEndian.AppendUint64(b, uint64(initiator))
}

// parseHandshakeHeader checks a handshake datagram of the given kind and length and gives the initiator's
// connection id.
func parseHandshakeHeader(b []byte, kind byte, length int) (connID, bool) {
	if len(b) != length || b[0] != kind || b[1] != version || b[2] != 0 || b[3] != 0 {
		return 0, false
	}
	return connID(binary.BigEndian.Uint64(b[4:])), true
}

// putDataHeader writes a data header into the first dataHeaderLen bytes of b.
func putDataHeader(b []byte, to connID, counter uint64) {
	_ = b[dataHeaderLen-1]
	b[0] = typeData
	binary.BigEndian.PutUint64(b[1:], uint64(to))
	binary.BigEndian.PutUint32(b[9:], uint32(counter))
}

// parseDataHeader gives the fields of a data datagram that is at least long enough for an empty seal: of the counter the
// lower half. See replayFilter.whole.
func parseDataHeader(b []byte) (to connID, counter uint32, ok bool) {
	if len(b) < dataHeaderLen+tagLen || len(b) > MaxDatagram || b[0] != typeData {
		return 0, 0, false
	}
	return connID(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint32(b[9:]), true
}
