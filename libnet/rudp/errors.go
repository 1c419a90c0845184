// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"errors"
	"fmt"
	"net"
)

var (
	// ErrQueueFull is returned by Channel.TrySend when the channel's send queue has no room for the message.
	ErrQueueFull = errors.New("rudp: send queue full")
	// ErrMessageTooLarge is returned for a message longer than MaxMessage.
	ErrMessageTooLarge = errors.New("rudp: message too large")
	// ErrMessageEmpty is returned for a message without bytes: KCP has no segment for it.
	ErrMessageEmpty = errors.New("rudp: empty message")
	// ErrTooManySessions is returned by Dial when the endpoint has Config.MaxSessions sessions.
	ErrTooManySessions = errors.New("rudp: too many sessions")
	// ErrTooManyChannels is returned by Send when the session already has maxChannels channels.
	ErrTooManyChannels = errors.New("rudp: too many channels in the session")
	// ErrHandshakeTimeout is returned by Dial when nobody who holds the peer's key answered in time.
	// A peer with another key, or none at all, looks the same: wrong handshakes are not answered. So does a path that
	// does not carry datagrams of BaseDatagram bytes: the initiation has that length, so that such a path fails here.
	ErrHandshakeTimeout error = &timeoutError{"rudp: handshake timed out"}
	// ErrIdleTimeout ends a session from which nothing authentic came for Config.IdleTimeout.
	ErrIdleTimeout error = &timeoutError{"rudp: session idle for too long"}
	// ErrPathBlocked ends a session from which signs of life still come, but no acknowledgement of what a channel sends
	// again and again, for twice Config.IdleTimeout: the path drops datagrams for their size, below BaseDatagram.
	ErrPathBlocked error = &timeoutError{"rudp: the path carries no data any more: datagrams may be too long for it"}
	// ErrProbeTimeout is returned by Conn.Probe when no answer came in time.
	ErrProbeTimeout = errors.New("rudp: no answer to the probe")
	// ErrTooManyProbes is returned by Conn.Probe when maxProbes others of the session wait for their answers.
	ErrTooManyProbes = errors.New("rudp: too many probes at the same time")
	// ErrSocketClosed ends a session whose path was a further socket that is gone.
	ErrSocketClosed error = &closedError{"rudp: the session's socket is closed"}
	// ErrTooManySockets is returned by AddSocket when the endpoint has maxSockets further sockets.
	ErrTooManySockets = errors.New("rudp: too many sockets")
	// ErrEndpointClosed is returned by an endpoint's methods after Close.
	ErrEndpointClosed error = &closedError{"rudp: endpoint closed"}
)

// Codes of a CloseError. Applications use codes from CodeApplication on.
const (
	CodeNormal      uint16 = 0 // the application closed the session
	CodeBusy        uint16 = 1 // the responder has no room for another session
	CodeShutdown    uint16 = 2 // the endpoint closed, and all its sessions with it
	CodeProtocol    uint16 = 3 // the peer broke the protocol under its own seal
	CodeApplication uint16 = 256
)

// CloseError says who ended a session and why. It matches net.ErrClosed.
type CloseError struct {
	Code   uint16
	Reason string // at most MaxReason bytes
	Remote bool   // the peer closed the session
}

func (e *CloseError) Error() string {
	who := "locally"
	if e.Remote {
		who = "by the peer"
	}
	if e.Reason == "" {
		return fmt.Sprintf("rudp: session closed %s (code %d)", who, e.Code)
	}
	return fmt.Sprintf("rudp: session closed %s: %s", who, e.Reason)
}

// Is makes a CloseError match net.ErrClosed.
func (e *CloseError) Is(target error) bool { return target == net.ErrClosed }

// closedError is a terminal error that matches net.ErrClosed.
type closedError struct{ text string }

func (e *closedError) Error() string        { return e.text }
func (e *closedError) Is(target error) bool { return target == net.ErrClosed }

// timeoutError is a terminal error that matches net.ErrClosed and is a net.Error timeout.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string        { return e.text }
func (e *timeoutError) Is(target error) bool { return target == net.ErrClosed }
func (e *timeoutError) Timeout() bool        { return true }
func (e *timeoutError) Temporary() bool      { return false }
