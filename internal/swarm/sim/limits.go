// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import "time"

// What a run may be.
const (
	// maxPeers bounds a run: each viewer takes tens of kilobytes.
	maxPeers = 1_000_000
	// maxDuration bounds a run's virtual time.
	maxDuration = 24 * time.Hour
)

// How sessions behave, as libnet/rudp and internal/peer do.
const (
	// datagramPayload is what one datagram carries of a message.
	datagramPayload = 1200
	// maxRounds bounds retransmissions; at a loss of 10% one message in a
	// million needs more.
	maxRounds = 8
	// roundTrips is what a retransmission costs: a round trip until two
	// datagrams after the lost one are acknowledged, and the way again.
	roundTrips = 1.25
	// dialTimeout is when a dial that nobody answers has failed.
	dialTimeout = 2 * time.Second
	// punchTime is what the tracker's part in hole punching takes beyond the
	// handshake.
	punchTime = 100 * time.Millisecond
	// idleTimeout is when a session notices that the other end has gone
	// without a word.
	idleTimeout = 5 * time.Second
	// banTime keeps away a peer that has sent a bad piece.
	banTime = 10 * time.Minute
)

// The tracker.
const (
	// trackerTime is what a question and its answer take.
	trackerTime = 60 * time.Millisecond
	// introduced is how many viewers a new viewer is told of.
	introduced = 8
	// introducedEdges is how many edges: one in use and one in reserve.
	introducedEdges = 2
	// growth is how fast a swarm grows whose uplinks carry 1.5 copies, in
	// percent a second: more peers have that much more time to come.
	growth = 15
	// joinsEvery is how often the tracker lets in those that wait; each
	// edgeReports of these times it hears of the edges' load, over the last
	// loadReports reports, and each settleReports of who has found its places.
	joinsEvery    = 100 * time.Millisecond
	edgeReports   = 5
	loadReports   = 4
	settleReports = 3
	// drawTries bounds the search for viewers that can be reached.
	drawTries = 64
)

// Players.
const (
	// settle is how long after its first picture a viewer is not yet judged:
	// its player fills the buffer.
	settle = 3 * time.Second
	// firstStep is the resolution of the time to the first picture: it may be
	// minutes where a crowd waits.
	firstStep = 10 * time.Millisecond
	// windowPieces is how many of the newest pieces a viewer's store keeps,
	// a power of two. The machine's window is shorter.
	windowPieces = 1024
	// storeTime is the machine's window. Live viewers need only what a joiner
	// starts with, two seconds back, and what is still to be repaired.
	storeTime = 4 * time.Second
)
