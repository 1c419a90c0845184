// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"crypto/ed25519"
	"net/netip"

	"p2plive/libnet/nat"
)

// Event is something that a Client tells its owner: one of the types below.
type Event interface{ isEvent() }

// Welcome says that the tracker has accepted this peer, at the first connection
// and after each loss. What peers were known stays usable.
type Welcome struct {
	TrackerKey ed25519.PublicKey // signs the tickets that others present
	TrackerUDP string            // STUN server "host:port"; empty: none
	ObservedIP netip.Addr        // this peer's address as the tracker sees it
	Stream     StreamID          // zero for an edge, and for a viewer of an unknown stream
	Name       string
	State      State          // viewer
	Ticket     []byte         // to present to others; nil while a viewer's stream is not live, or the viewer waits
	Place      int            // in the queue, from 1; when State is StateQueued
	Requests   nat.RequestKey // of connection requests to TrackerUDP
}

// Peers are candidates to connect to, beside those of earlier events.
type Peers struct {
	Stream StreamID
	Peers  []PeerInfo
}

// StreamState says that the stream which a viewer asked for began or ended, and
// to one that waits its place in the queue. A name may come back with another
// stream id.
type StreamState struct {
	State  State
	Stream StreamID
	Name   string
	Ticket []byte // when live
	Place  int    // in the queue, from 1; when queued
}

// TicketRenewed carries the ticket to present from now on.
type TicketRenewed struct{ Ticket []byte }

// Introduce says that another peer has been told of this one and will connect.
type Introduce struct {
	Stream StreamID
	Peer   PeerInfo
}

// Carry asks an edge to pull a stream from one of the peers. The edge's own
// ticket admits it.
type Carry struct {
	Stream StreamID
	Name   string
	Peers  []PeerInfo
}

// Punch follows a connection request on the tracker's UDP port, ours or that of
// another peer.
type Punch struct {
	Attempt nat.AttemptID
	Step    PunchStep
	Peer    PeerInfo       // the other one; of a refusal only its id
	Seen    netip.AddrPort // where its request came from
	Class   nat.Class      // how it is connected
	Reason  string         // of a refusal, one sentence
}

// PunchStep says what to do.
type PunchStep uint8

// Steps of a Punch.
const (
	PunchWanted  PunchStep = iota + 1 // the other wants a connection: send a request too
	PunchGo                           // try each other now
	PunchRefused                      // there will be no connection
)

// Disconnected says that the tracker is away: once per loss, and once when it
// could not be reached at the start. Where Err is a *FullError, the tracker has
// no room for this peer, and each attempt is told. The client keeps trying.
type Disconnected struct{ Err error }

// Rejected is the last event when the tracker refused this peer for good; Run
// returns the same error.
type Rejected struct{ Err *RejectedError }

func (Welcome) isEvent()       {}
func (Peers) isEvent()         {}
func (StreamState) isEvent()   {}
func (TicketRenewed) isEvent() {}
func (Introduce) isEvent()     {}
func (Carry) isEvent()         {}
func (Punch) isEvent()         {}
func (Disconnected) isEvent()  {}
func (Rejected) isEvent()      {}

// PeerInfo is how to reach a peer.
type PeerInfo struct {
	ID      PeerID
	Addrs   []netip.AddrPort // UDP
	Role    Role
	Mapped  netip.AddrPort // the one of Addrs that a router forwards on request; invalid: none
	HTTPURL string         // edge: where browsers reach it; else empty
}
