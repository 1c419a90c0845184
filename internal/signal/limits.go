// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import "time"

// Limits shared by both ends of the connection.
const (
	// MaxMessage bounds a message in bytes: the largest are a bad piece as
	// evidence (a little above 16 KiB) and a list of some 30 peers.
	MaxMessage = 64 << 10

	// MaxAddrs bounds the addresses of one peer: LAN addresses of a host with
	// a few interfaces in both families, one reflexive, one mapped.
	MaxAddrs = 12

	// MaxEvidence fits a piece (16 KiB) with its header and signature.
	MaxEvidence = 20 << 10

	// MaxPeersRequest bounds how many peers one request may ask for.
	MaxPeersRequest = 32

	// MaxExclude bounds the exclusions of one request.
	MaxExclude = 128

	// MaxCarried bounds the streams in one report of an edge.
	MaxCarried = 1024

	// MaxConnections bounds the sessions in one report of a viewer: it has some 20.
	MaxConnections = 64

	// MaxURL bounds an edge's HTTP address.
	MaxURL = 512

	// MaxStep bounds the step of a sequential port allocation: more than any
	// allocator's, and discovery takes more for random.
	MaxStep = 1000

	// MaxReason bounds a sentence that says why there is no connection, in bytes.
	MaxReason = 256

	// HandshakeTimeout is how long the tracker waits for Announce, and the
	// client for Hello and Welcome. It leaves time for one STUN query with a
	// retransmission between Hello and Announce.
	HandshakeTimeout = 5 * time.Second

	// KeepaliveInterval is the time between pings. NATs and proxies commonly
	// forget a TCP connection after 60 s or more of silence.
	KeepaliveInterval = 15 * time.Second

	// KeepaliveTimeout is how long an answer to a ping may take.
	KeepaliveTimeout = 10 * time.Second

	// WriteTimeout is how long one message may take to leave.
	WriteTimeout = 10 * time.Second
)

// Limits of the client.
const (
	// backoffMin and backoffMax bound the pause between two attempts: a
	// restarted tracker is found at once, a dead one costs nothing.
	backoffMin = 250 * time.Millisecond
	backoffMax = 10 * time.Second

	// maxRetryAfter bounds the pause that a tracker may ask for.
	maxRetryAfter = 10 * time.Minute

	// steadyAfter is how long a connection has to hold before the next loss
	// begins with the shortest pause again.
	steadyAfter = 10 * time.Second

	// outboxSize bounds the messages that wait for a connection; the oldest
	// is dropped. Reports are repeated anyway.
	outboxSize = 64

	// eventsSize bounds the events that wait for their reader. When it is
	// full the connection is not read, until the tracker gives it up and
	// the client begins anew: nothing is lost for good.
	eventsSize = 256

	// checkTimeout is how long an answer may take where there is reason to doubt.
	checkTimeout = 2 * time.Second

	// farewellTimeout is how long Bye may take when the client stops.
	farewellTimeout = time.Second

	// maxLinger bounds the reading of a rejected HTTP answer.
	maxErrorBody = 256
)
