// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"crypto/hmac"
	"encoding/binary"
	"sync/atomic"
)

// RequestKey is what a peer and its tracker share for connection requests, new for every long connection.
type RequestKey struct {
	Tag [8]byte // names the connection
	Key [32]byte
}

// Cookie is what a tracker gives to a socket whose address it has not seen with the long connection: who shows
// it receives there.
type Cookie [8]byte

const (
	requestLen = 2 + 8 + 8 + 8 + 32 + 8 + classLen + punchMACLen
	replyLen   = 2 + 8 + 8 + 8 + punchMACLen
)

// request asks the tracker for a connection to another peer: from the one who wants it, and from the other in
// answer. Where it comes from is what it tells.
type request struct {
	tag     [8]byte
	counter uint64
	attempt AttemptID
	peer    PeerKey // whom it is about
	cookie  Cookie
	class   Class // of the one who sends it
}

func (r request) encode(key [32]byte) []byte {
	b := make([]byte, 0, requestLen)
	b = append(b, typeRequest, punchVersion)
	b = append(b, r.tag[:]...)
	b = binary.BigEndian.AppendUint64(b, r.counter)
	b = append(b, r.attempt[:]...)
	b = append(b, r.peer[:]...)
	b = append(b, r.cookie[:]...)
	b = r.class.append(b)
	return append(b, punchMAC(key[:], b)...)
}

// IsRequest tells whether a datagram looks like a connection request.
func IsRequest(b []byte) bool {
	return len(b) == requestLen && b[0] == typeRequest && b[1] == punchVersion
}

// parseRequest reads what IsRequest has recognised. It is not authenticated yet: see genuine.
func parseRequest(b []byte) (r request) {
	r.tag = [8]byte(b[2:])
	r.counter = binary.BigEndian.Uint64(b[10:])
	r.attempt = AttemptID(b[18:])
	r.peer = PeerKey(b[26:])
	r.cookie = Cookie(b[58:])
	r.class = readClass(b[66:])
	return r
}

// genuine checks the authentication at the end of a request or reply.
func genuine(b []byte, key [32]byte) bool {
	end := len(b) - punchMACLen
	return hmac.Equal(punchMAC(key[:], b[:end]), b[end:])
}

// reply demands a cookie. It is half as long as the request, so that a forged source gains nothing.
func encodeReply(r request, key [32]byte, cookie Cookie) []byte {
	b := make([]byte, 0, replyLen)
	b = append(b, typeReply, punchVersion)
	b = append(b, r.attempt[:]...)
	b = binary.BigEndian.AppendUint64(b, r.counter)
	b = append(b, cookie[:]...)
	return append(b, punchMAC(key[:], b)...)
}

// IsReply tells whether a datagram looks like a tracker's answer to a connection request, and to which attempt's.
func IsReply(b []byte) (AttemptID, bool) {
	if len(b) != replyLen || b[0] != typeReply || b[1] != punchVersion {
		return AttemptID{}, false
	}
	return AttemptID(b[2:10]), true
}

// Requester writes connection requests. Its methods may be called from several goroutines.
type Requester struct {
	key     RequestKey
	counter atomic.Uint64
}

// NewRequester writes for one long connection.
func NewRequester(key RequestKey) *Requester { return &Requester{key: key} }

// Request writes one that tells our class; the cookie is zero unless the tracker has demanded it.
func (r *Requester) Request(attempt AttemptID, peer PeerKey, own Class, cookie Cookie) []byte {
	return request{
		tag: r.key.Tag, counter: r.counter.Add(1), attempt: attempt, peer: peer, cookie: cookie, class: own,
	}.encode(r.key.Key)
}

// Cookie reads what IsReply has recognised; false: it is forged, or older than the last 64 requests.
func (r *Requester) Cookie(b []byte) (Cookie, bool) {
	if _, ok := IsReply(b); !ok || !genuine(b, r.key.Key) {
		return Cookie{}, false
	}
	counter, last := binary.BigEndian.Uint64(b[10:]), r.counter.Load()
	if counter > last || last-counter >= 64 {
		return Cookie{}, false
	}
	return Cookie(b[18:26]), true
}

// counterWindow lets each counter pass once, and none that is 64 or more behind the newest.
type counterWindow struct {
	newest uint64
	bits   uint64 // bit i: newest-i has come
}

func (w *counterWindow) take(counter uint64) bool {
	switch {
	case counter > w.newest:
		shift := counter - w.newest
		w.bits <<= shift // shifts by 64 and more give 0
		w.bits |= 1
		w.newest = counter
		return true
	case w.newest-counter >= 64 || w.bits&(1<<(w.newest-counter)) != 0 || counter == 0:
		return false
	}
	w.bits |= 1 << (w.newest - counter)
	return true
}
