// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"time"
)

// cookies make an initiator show that it receives at its address before a handshake is computed, without state: a
// cookie is a MAC of the address, the initiation and the time. The gate guards it.
type cookies struct {
	mac   hash.Hash
	start time.Time
}

func newCookies(now time.Time) *cookies {
	var secret [32]byte
	rand.Read(secret[:])
	return &cookies{mac: hmac.New(sha256.New, secret[:]), start: now}
}

// make gives the cookie of an interval.
func (k *cookies) make(key initiationKey, from netip.AddrPort, interval int64) (c [cookieLen]byte) {
	var text [8 + 16 + 2]byte
	binary.BigEndian.PutUint64(text[:], uint64(interval))
	addr := from.Addr().As16()
	copy(text[8:], addr[:])
	binary.BigEndian.PutUint16(text[24:], from.Port())
	k.mac.Reset()
	k.mac.Write(text[:])
	k.mac.Write(key[:])
	var sum [sha256.Size]byte
	copy(c[:], k.mac.Sum(sum[:0]))
	return c
}

func (k *cookies) interval(now time.Time) int64 { return int64(now.Sub(k.start) / cookieTime) }

// valid tells whether an initiation has a cookie of this or of the last interval.
func (k *cookies) valid(datagram []byte, from netip.AddrPort, now time.Time) bool {
	got := [cookieLen]byte(datagram[BaseDatagram-cookieLen:])
	if got == [cookieLen]byte{} {
		return false
	}
	key := initiationKey(datagram[initHeaderLen:])
	for back := range int64(2) {
		want := k.make(key, from, k.interval(now)-back)
		if hmac.Equal(got[:], want[:]) {
			return true
		}
	}
	return false
}

// retry is the datagram that asks for a cookie, and has it.
func (k *cookies) retry(datagram []byte, from netip.AddrPort, now time.Time) []byte {
	initiator := connID(binary.BigEndian.Uint64(datagram[4:]))
	c := k.make(initiationKey(datagram[initHeaderLen:]), from, k.interval(now))
	return append(appendHandshakeHeader(make([]byte, 0, retryLen), typeRetry, initiator), c[:]...)
}

// useCookie sends the initiation again with the cookie that the responder asks for.
func (c *Conn) useCookie(cookie []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateDialing || c.dialing.cookies >= maxCookies {
		return
	}
	c.dialing.cookies++
	copy(c.dialing.datagram[BaseDatagram-cookieLen:], cookie)
	c.writeRaw(c.dialing.datagram)
	if c.ep.observed() {
		c.tell(time.Now(), HandshakeRetried{Addr: c.path.Addr, Cookie: true})
	}
}
