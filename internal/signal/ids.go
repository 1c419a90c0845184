// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
)

// Ids and roles are those of the media messages.
type (
	PeerID   = wire.PeerID
	StreamID = wire.StreamID
	Role     = wire.Role
)

const idSize = len(PeerID{})

// PeerIDFromBytes checks the length; the error is wire.ErrBadID.
func PeerIDFromBytes(b []byte) (PeerID, error) {
	if len(b) != idSize {
		return PeerID{}, wire.ErrBadID
	}
	return PeerID(b), nil
}

// StreamIDFromBytes checks the length; the error is wire.ErrBadID.
func StreamIDFromBytes(b []byte) (StreamID, error) {
	if len(b) != idSize {
		return StreamID{}, wire.ErrBadID
	}
	return StreamID(b), nil
}

// State is what the tracker knows of a stream.
type State uint8

// The states have the numbers of the protobuf enum.
const (
	// StateUnknown: no source has announced the stream yet.
	StateUnknown = State(signalpb.State_STATE_UNKNOWN)
	// StateLive: a source is connected, or was a moment ago.
	StateLive = State(signalpb.State_STATE_LIVE)
	// StateEnded: the stream was live and is not any more.
	StateEnded = State(signalpb.State_STATE_ENDED)
	// StateQueued: the stream is live and full; the viewer waits to be let in.
	StateQueued = State(signalpb.State_STATE_QUEUED)
)

func (s State) String() string {
	switch s {
	case StateLive:
		return "live"
	case StateEnded:
		return "ended"
	case StateQueued:
		return "queued"
	}
	return "unknown"
}
