// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"sync/atomic"
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// EndpointStats counts what passed an endpoint since Listen. Bytes are UDP payload: IP and UDP headers
// (28 or 48 bytes a datagram) are not in them.
type EndpointStats struct {
	DatagramsIn, DatagramsOut uint64
	BytesIn, BytesOut         uint64
	WriteErrors               uint64 // datagrams the socket refused

	Foreign        uint64 // not of this protocol, given to OnPacket
	Malformed      uint64 // wrong length, type, version or frame
	UnknownSession uint64 // no such connection id (any more)
	Unauthentic    uint64 // a seal or a handshake that did not verify
	Replayed       uint64 // counter seen before, or older than the replay window

	HandshakesIn      uint64 // initiations that verified and were answered
	HandshakesOut     uint64 // Dial calls that sent an initiation
	HandshakesRepeat  uint64 // copies of an initiation, answered by the same response
	HandshakesLimited uint64 // initiations dropped by a rate limit
	CookiesAsked      uint64 // initiators asked to show that they receive at their address
	HandshakesRefused uint64 // answered as busy
	Accepted          uint64 // sessions given to Accept
	Dialed            uint64 // sessions returned by Dial
	Evicted           uint64 // half-open sessions given up for newer ones

	GSO, GRO bool // the kernel merges datagrams on their way out, and in

	Sessions int // now, established or being dialled
	HalfOpen int // now, answered but the initiator has not proved itself
}

type endpointCounters struct {
	datagramsIn, datagramsOut, bytesIn, bytesOut, writeErrors                     atomic.Uint64
	foreign, malformed, unknownSession, unauthentic, replayed                     atomic.Uint64
	handshakesIn, handshakesOut, handshakesRepeat                                 atomic.Uint64
	cookiesAsked, handshakesLimited, handshakesRefused, accepted, dialed, evicted atomic.Uint64
}

func (c *endpointCounters) snapshot() EndpointStats {
	return EndpointStats{
		DatagramsIn: c.datagramsIn.Load(), DatagramsOut: c.datagramsOut.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		WriteErrors: c.writeErrors.Load(),
		Foreign:     c.foreign.Load(), Malformed: c.malformed.Load(),
		UnknownSession: c.unknownSession.Load(),
		Unauthentic:    c.unauthentic.Load(), Replayed: c.replayed.Load(),
		HandshakesIn: c.handshakesIn.Load(), HandshakesOut: c.handshakesOut.Load(),
		HandshakesRepeat:  c.handshakesRepeat.Load(),
		HandshakesLimited: c.handshakesLimited.Load(),
		CookiesAsked:      c.cookiesAsked.Load(),
		HandshakesRefused: c.handshakesRefused.Load(),
		Accepted:          c.accepted.Load(), Dialed: c.dialed.Load(),
		Evicted: c.evicted.Load(),
	}
}

// ConnStats describes a session.
type ConnStats struct {
	RTT    time.Duration // smoothed; zero before the first measurement
	MinRTT time.Duration // least of the last 10 to 20 s
	Queue  time.Duration // how long datagrams waited on the way to the peer, in the last round trip
	Silent time.Duration // since the newest authentic datagram
	// Unanswered is for how long the peer has been asked for a sign of life without an answer; zero: it is not.
	Unanswered time.Duration

	BytesIn, BytesOut         uint64 // of messages: read by the application, taken by Send
	MessagesIn, MessagesOut   uint64
	DatagramsIn, DatagramsOut uint64 // sealed
	WireIn, WireOut           uint64 // bytes of those datagrams, without IP and UDP headers
	Sent                      Traffic
	Arrived                   uint64 // bytes of segments, with their headers, that the peer is known to have

	SegmentsOut uint64  // KCP data segments sent, first time or again
	Retransmits uint64  // of them, sent again
	Parities    uint64  // segments sent beside them, from which the peer finds lost ones
	Recovered   uint64  // lost segments that the peer has found so
	Loss        float64 // share of what was sent of late that was lost, repeated or found
	InFlight    int     // segments sent and neither acknowledged nor lost
	MTU         int     // bytes of UDP payload that the path is known to carry in a datagram
	Window      int     // full segments that may be in flight
	SendQueue   int     // segments queued or in flight, over all channels
	Moves       uint64  // times that the session went to another address of the peer
	Timeouts    uint64  // times that all acknowledgements stayed away
	Expired     uint64  // messages dropped at their deadline before they were sent
	Skipped     uint64  // messages that the peer dropped so
	Channels    int
}

// Traffic is what a session's datagrams carried: bytes of segments with their headers. What is missing to Bytes are seals, frames without segments, and padding.
type Traffic struct {
	Datagrams, Bytes uint64 // as DatagramsOut and WireOut

	First  [Background + 1]uint64 // message bytes sent for the first time, by class
	Again  uint64                 // sent again
	Parity uint64
	Acks   uint64 // segments that carry no message: acknowledgements, and what there is to say of windows
}

// Add adds what another session's datagrams carried.
func (t *Traffic) Add(other Traffic) {
	t.Datagrams += other.Datagrams
	t.Bytes += other.Bytes
	for class, n := range other.First {
		t.First[class] += n
	}
	t.Again += other.Again
	t.Parity += other.Parity
	t.Acks += other.Acks
}

// Pieces is what of it carried messages of all classes but Control, repetitions and parity segments included.
func (t *Traffic) Pieces() uint64 {
	n := t.Again + t.Parity
	for _, first := range t.First[Rescue:] {
		n += first
	}
	return n
}

// Subtract takes away what was carried earlier.
func (t *Traffic) Subtract(earlier Traffic) {
	t.Datagrams -= earlier.Datagrams
	t.Bytes -= earlier.Bytes
	for class, n := range earlier.First {
		t.First[class] -= n
	}
	t.Again -= earlier.Again
	t.Parity -= earlier.Parity
	t.Acks -= earlier.Acks
}

// count counts n bytes of a segment of a class that was sent.
func (s *ConnStats) count(kind arq.Kind, class Class, n int) {
	switch kind {
	case arq.Parity:
		s.Sent.Parity += uint64(n)
		return // counted by the channel's core
	case arq.Again, arq.Copy:
		s.Sent.Again += uint64(n)
		s.Retransmits++
	default:
		s.Sent.First[class] += uint64(n)
	}
	s.SegmentsOut++
}
