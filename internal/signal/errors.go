// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"errors"
	"time"

	"p2plive/internal/signal/signalpb"
)

// ErrUnreachable is matched by the error of FirstTry, and by the Err of
// Disconnected while the tracker cannot be reached at all.
var ErrUnreachable = errors.New("tracker not reachable")

// ErrProtocol is matched when the other end does not speak this protocol.
var ErrProtocol = errors.New("not a p2plive tracker")

// Code says why a tracker rejected a peer.
type Code = signalpb.Code

// FullError is the tracker's answer to a viewer of a stream that is full, and
// whose queue is too. The client comes back by itself.
type FullError struct {
	Text  string        // one plain line
	After time.Duration // not sooner
}

func (e *FullError) Error() string { return e.Text }

// RejectedError is the tracker's final no: trying again with the same
// configuration is of no use.
type RejectedError struct {
	Code Code
	Text string // one plain line
	Hint string // what the user can do; may be empty
}

func (e *RejectedError) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + " (" + e.Hint + ")"
}
