// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import "time"

// Limits of the tracker's state. Everything a stranger can make it remember is
// counted here.
const (
	// maxConns bounds open long connections: at some 40 KiB each about 2 GiB.
	maxConns = 50_000

	// maxConnsPerIP leaves room for a school or a carrier's NAT.
	maxConnsPerIP = 4_096

	// maxEdges bounds the table that strategies sort for each request.
	maxEdges = 1_024

	// maxStreams bounds live streams.
	maxStreams = 10_000

	// maxRecent bounds the names and ids that are remembered as ended.
	maxRecent = 2_048

	// maxPolluters bounds the accused peers that are logged once each.
	maxPolluters = 1_024

	// maxIPs bounds the table of addresses with a rate; an IPv6 /64 counts as
	// one address.
	maxIPs = 65_536
)

// What a peer is given.
const (
	// edgesPerViewer: one to play from, one for when it fails.
	edgesPerViewer = 2

	// edgesPerSource likewise.
	edgesPerSource = 2

	// firstPeers is how many candidates a viewer gets without asking: enough
	// to find a parent for each substream (DESIGN.md: 4-8) and spares.
	firstPeers = 16

	// carriersPerCarry: where an edge may pull a stream from.
	carriersPerCarry = 4

	// maxUnproved is how many IPv6 addresses of a peer, none of which the
	// tracker has seen it at, others are told to probe: those of one interface.
	maxUnproved = 2

	// ticketLife: long enough that peers can go on making sessions for a good
	// while when the tracker is gone, short enough that a key which leaked or
	// a peer that was sent away is harmless soon. Renewed at half of it.
	ticketLife = time.Hour

	// holdName is how long a stream and its name are kept for a source that
	// has vanished without a Bye.
	holdName = 60 * time.Second

	// carryAgain is how long an edge has time to begin with a stream before
	// it is asked again.
	carryAgain = 10 * time.Second
)

// The queue of a stream that is full.
const (
	// maxQueue bounds it: most of the connections that a tracker takes.
	maxQueue = 40_000

	// maxQueueFrom keeps one address from filling it: 78 would have to work
	// together. A school's viewers may wait behind one address.
	maxQueueFrom = 512

	// placeNews is how often a viewer that waits hears of its place: 8,000
	// short messages a second where the queue is full.
	placeNews = 5 * time.Second

	// retryFull is when those may come back whom the queue had no room for.
	retryFull = 30 * time.Second

	// believeTickets is for how long after its start a tracker believes tickets
	// that it cannot check: by then all peers of the one before have come back.
	believeTickets = time.Minute
)

// Limits of connections.
const (
	// queueSize bounds the messages that wait for one slow connection; when
	// it is full the connection is dropped, and the peer begins anew.
	queueSize = 256

	// messageRate and messageBurst bound what one connection may send, in
	// messages; one above messageUnit bytes counts for several. A peer sends
	// a report every few seconds and a handful of requests when it joins.
	messageRate  = 20
	messageBurst = 80
	messageUnit  = 4 << 10

	// connectRate and connectBurst bound new connections of one address. A
	// burst is what comes back after a restart from behind one NAT.
	connectRate  = 50
	connectBurst = 500

	// apiRate and apiBurst bound the JSON API per address.
	apiRate  = 50
	apiBurst = 200

	// bodyTimeout is how long a message may take once it has begun to arrive.
	bodyTimeout = 10 * time.Second

	// lastWordTimeout is how long a peer has to close after an Error or Bye.
	lastWordTimeout = time.Second

	// tickInterval is the resolution of holdName and ticket renewal.
	tickInterval = time.Second

	// readHeaderTimeout, writeTimeout and idleTimeout bound plain HTTP requests.
	readHeaderTimeout = 5 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10

	// stopTimeout bounds the whole stop; sessions that do not close in
	// goodbyeTimeout are cut.
	goodbyeTimeout = 2 * time.Second
	stopTimeout    = 4 * time.Second
)
