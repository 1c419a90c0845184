// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"net/netip"
	"time"

	"p2plive/internal/wire"
)

// Event is something that happened to a peer. The machine learns of the world
// by events alone.
type Event interface{ isEvent() }

// PeerUp tells that a session with a peer of the same stream is open and both
// sides have said Hello.
type PeerUp struct {
	Peer wire.PeerID
	Role wire.Role
	RTT  time.Duration // first estimate, 0 if not known
	// Addrs is where others could reach the peer, best first: what it is
	// named by to those that look for a parent. Empty if not known.
	Addrs []netip.AddrPort
}

// PeerDown tells that a session has ended. Nothing is sent to the peer after.
type PeerDown struct{ Peer wire.PeerID }

// Received is a swarm message from a peer.
type Received struct {
	Peer wire.PeerID
	Msg  wire.Message
}

// PieceIn is a piece that came from a peer and whose signature holds. Where
// New is false the store had it already.
type PieceIn struct {
	Peer   wire.PeerID
	Header wire.PieceHeader
	Size   int // bytes of payload
	Via    wire.Via
	New    bool
}

// PieceBad tells that a peer sent a piece with a bad signature. The runner
// ends the session and reports it.
type PieceBad struct{ Peer wire.PeerID }

// PieceMade is a piece of the peer's own stream: the peer is its source.
type PieceMade struct {
	Header wire.PieceHeader
	Size   int
}

// CatalogSet gives the tracks that the peer takes part in. A new epoch
// forgets all pieces of the old one.
type CatalogSet struct {
	Epoch  wire.Epoch
	Tracks []TrackInfo
	Ended  bool
}

// TrackInfo is what the machine needs to know of a track.
type TrackInfo struct {
	ID         wire.TrackID
	Kind       wire.TrackKind
	Substreams uint8
	Timescale  uint32
	Bitrate    uint32 // bits a second, 0 if not known
}

// Introduced gives peers that could be dialled, from the tracker or a
// neighbour.
type Introduced struct{ Peers []wire.PeerInfo }

// DialFailed tells that a peer could not be reached.
type DialFailed struct{ Peer wire.PeerID }

// SendFailed tells that a queue was full and a piece was not sent.
type SendFailed struct {
	Peer wire.PeerID
	ID   wire.PieceID
}

// Link is a newer measurement of a session.
type Link struct {
	Peer wire.PeerID
	RTT  time.Duration
}

// Capacity is the peer's measured or configured uplink, in bits a second.
type Capacity struct {
	Uplink int64
	Open   bool // it is measured, and has shown no bound yet
}

// Tick lets the machine do what is due. It comes when Wake has asked for it.
type Tick struct{}

// Command is something that the machine wants done. The runner carries
// commands out in order.
type Command interface{ isCommand() }

// Send sends a swarm message to a peer.
type Send struct {
	Peer wire.PeerID
	Msg  wire.Message
}

// SendPiece sends a piece out of the store to a peer. A runner drops it when
// Expires, counted as Handle's now, has passed before it was sent.
type SendPiece struct {
	Peer    wire.PeerID
	ID      wire.PieceID
	Via     wire.Via
	Expires time.Duration
}

// Dial opens a session to a peer. Without addresses the peer is known by its
// id only: the tracker can introduce it.
type Dial struct{ Peer wire.PeerInfo }

// Drop ends a session, with a reason for people.
type Drop struct {
	Peer   wire.PeerID
	Reason string
}

// Deliver hands a complete fragment to the player. Fragments of a track are
// delivered in order, from a key frame on.
type Deliver struct {
	Track wire.TrackID
	Seq   wire.Seq
}

// Missed tells that a fragment was given up at its deadline: delivery goes on
// with the fragment after it. A peer that was away for more fragments than are
// kept is told of the last of them only, and then begins at a key frame again.
type Missed struct {
	Track wire.TrackID
	Seq   wire.Seq
}

// WantPeers asks the tracker for more peers.
type WantPeers struct{ N int }

// Wake asks for a Tick at the given time, instead of any earlier request.
type Wake struct{ At time.Duration }

// Outbox takes what a machine wants done, in order, while it handles an event.
// It must not call the machine.
type Outbox interface {
	Send(Send)
	SendPiece(SendPiece)
	Deliver(Deliver)
	Wake(Wake)
	Do(Command) // any other

	// NewHave returns a have-map for the machine to fill and send next: most
	// messages are have-maps. It may be the same one each time.
	NewHave() *wire.Have
}

// list is the outbox of those who want a list of commands.
type list []Command

func (l *list) Send(c Send)           { l.Do(c) }
func (l *list) SendPiece(c SendPiece) { l.Do(c) }
func (l *list) Deliver(c Deliver)     { l.Do(c) }
func (l *list) Wake(c Wake)           { l.Do(c) }
func (l *list) Do(c Command)          { *l = append(*l, c) }
func (l *list) NewHave() *wire.Have   { return new(wire.Have) }

func (PeerUp) isEvent()     {}
func (PeerDown) isEvent()   {}
func (Received) isEvent()   {}
func (PieceIn) isEvent()    {}
func (PieceBad) isEvent()   {}
func (PieceMade) isEvent()  {}
func (CatalogSet) isEvent() {}
func (Introduced) isEvent() {}
func (DialFailed) isEvent() {}
func (SendFailed) isEvent() {}
func (Link) isEvent()       {}
func (Capacity) isEvent()   {}
func (Tick) isEvent()       {}

func (Send) isCommand()      {}
func (SendPiece) isCommand() {}
func (Dial) isCommand()      {}
func (Drop) isCommand()      {}
func (Deliver) isCommand()   {}
func (Missed) isCommand()    {}
func (WantPeers) isCommand() {}
func (Wake) isCommand()      {}
