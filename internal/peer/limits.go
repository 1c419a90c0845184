// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import "time"

const (
	// controlChannel carries Hello, catalogs and the swarm's small messages.
	controlChannel = 0
	// repairChannels and rescueChannels are added to a track's id for pieces
	// that were asked for, so that a burst of repairs never delays the pieces
	// that are pushed, nor the ones whose deadline is near.
	repairChannels = 256
	rescueChannels = 512

	// helloTimeout is what a peer may take to say who it is.
	helloTimeout = 5 * time.Second
	// dialTimeout is what a peer may take to answer at any of its addresses:
	// several times the handshake's retransmission, below what a viewer waits.
	dialTimeout = 2 * time.Second
	// tunnelDelay is how long an edge may take to answer over UDP before a tunnel is opened beside: longer than nearly
	// all handshakes, short enough that a picture is there within 3 s. Where the tracker's UDP port has not answered
	// either, there is no wait. tunnelTimeout is what the dial of an edge may then take in all.
	tunnelDelay   = time.Second
	tunnelTimeout = 6 * time.Second
	// firstRetry and udpRetry are when a session that goes through a tunnel looks for UDP: first soon, then every 30 s,
	// five probes of 76 bytes each time.
	firstRetry = 10 * time.Second
	udpRetry   = 30 * time.Second
	// tunnelLinger is how long a tunnel that was left is kept, for what is still on its way.
	tunnelLinger = 3 * time.Second
	// silentPath is for how long an edge may leave questions for a sign of life unanswered before UDP may be blocked: there
	// were three by then, and the swarm gives up its edge a second later.
	silentPath = time.Second
	// pathInterval is how often that is looked for.
	pathInterval = 250 * time.Millisecond
	// maxEdgeURLs bounds the edges whose HTTP address is known; a viewer has two or three.
	maxEdgeURLs = 64
	// dialStagger lies between the dials of two addresses of one peer, as in
	// RFC 8305: the better one wins where both work.
	dialStagger = 100 * time.Millisecond
	// maxDials bounds the dials that one swarm has under way.
	maxDials = 16
	// maxGreeting bounds the accepted sessions that have not said Hello yet.
	maxGreeting = 256
	// inboxSize bounds verified messages that wait for the swarm's loop. A
	// full inbox stops the readers, and so, by flow control, the senders.
	inboxSize = 1024
	// linkInterval is how often the machine learns round trip times.
	linkInterval = time.Second
	// uplinkInterval is how often a viewer looks at how its line does: some
	// fragments each time, and soon enough that a line that is too slow for a
	// child is noticed before the play delay is over.
	uplinkInterval = 200 * time.Millisecond
	// fullSamples in a row with maxWait of data waiting, and with minWaiting
	// bytes, are a full line. A piece alone is not, nor one for each child: on a
	// line of 1 Mbit/s something waits most of the time, and goes in time.
	// Samples of which each is risingLine times those before do not count, as long
	// as there are no more than maxFullSamples.
	fullSamples    = 3
	risingLine     = 1.08
	maxFullSamples = 8
	maxWait        = 100 * time.Millisecond
	minWaiting     = 24 << 10
	// startCopies times what the stream takes is where the estimate begins: a dozen children
	// of eight trees. With two children 50 viewers in one room have 2 to 3% more from the edge in
	// the first 15 s, and up to 4 stalls. Weak lines are found out within a second.
	startCopies = 1.75
	// startUplink, in bits a second, is where it begins while the stream's rate is not known.
	startUplink = 2_000_000
	// leastUplink, in bits a second, is what it begins with at least: of a stream of 50 kbit/s
	// the first handshakes would leave nothing.
	leastUplink = 100_000
	// startChildren times the rate of the largest tree is what lets the machine take one child.
	startChildren = 1.25
	// usedUplink of the estimate must be in use before it grows: what is above
	// it has not been tried yet. Once the line has been full it grows only where
	// there is no room for a child more.
	usedUplink    = 0.6
	crampedUplink = 0.9
	// firstGrowth times what is used is tried after firstGrowthTime, in which
	// children come, until the line has been full once; then, each laterGrowthTime, what makes room for one
	// child: with a tenth of 20 Mbit/s four came at once, and all who hang below were late for it.
	firstGrowth     = 2.0
	firstGrowthTime = 400 * time.Millisecond
	laterGrowthTime = time.Second
	// fasterLine times what was sent when the line was full last says that it
	// was something else that held the data up, or that the line is another one.
	fasterLine = 1.2
	// slowerLine times that is what a line is taken for at least when it is full
	// again: one that has become much slower is known after some seconds.
	slowerLine = 0.85
	// minUplinkPause is how long a line is not tried again after it was full;
	// it doubles up to maxUplinkPause as long as it does not grow.
	minUplinkPause = 10 * time.Second
	maxUplinkPause = 5 * time.Minute
	// weakLine times what it takes to feed one child is what a line has shown at least that is tried with
	// one again before maxUplinkPause. With half of it lines of 384 kbit/s were, for a stream of 3
	// Mbit/s in six trees: each time a viewer missed fragments for seconds.
	weakLine = 0.75
	// longUplinkPause is how long it is not tried at least where one child more makes it more than likelyLine
	// times what it has carried: where that is in vain, pieces are late for seconds.
	longUplinkPause = time.Minute
	likelyLine      = 1.15
	// pacedLine times what the line is taken to carry is sent at most: bursts wait
	// here, where the sessions take it for no queue and what is urgent goes first.
	pacedLine = 1.05
	// narrowLine times what a line carries is less than what comes down where little is left beside
	// acknowledgements: of 128 kbit/s they take 75 for a stream of 3 Mbit/s, and 40 where the ends of messages wait.
	// With 8 lines of 384 that are taken for less wait too, and have 0.85 from viewers instead of 0.97.
	narrowLine = 16
	// fullQueue on the way to a peer is that of a line, and not of jitter. Who waits
	// for a line of which nothing is known yet uses usedLine of it at least.
	fullQueue = 5 * time.Millisecond
	usedLine  = 0.5
	// pieceCost times what the machine counts of a piece is what it takes of a line:
	// headers, and a few repetitions.
	pieceCost = 1.05
	// smallChange of the capacity is not told: the mean of what is not media
	// moves by that much all the time.
	smallChange = 0.05
	// sealed times what segments take is what they take in datagrams: header,
	// seal and frame, 34 bytes of 1452.
	sealed = 1.02
	// usedWeight of a new sample of what is sent: a mean over 1 s.
	usedWeight = 0.2
	// otherWeight of a new sample of what is not media: a mean over 2 s.
	otherWeight = 0.1
	// maxMalformed is how many malformed messages a session survives: a
	// newer minor version may say things we do not know, rubbish says more.
	maxMalformed = 100
	// banTime keeps a peer away that has sent a bad piece.
	banTime = 10 * time.Minute
	// maxBanned bounds the memory of bad peers; the oldest is forgotten first.
	maxBanned = 1024
	// keepAlive and idleTimeout notice a dead peer within 5 s at a cost of
	// about 50 bytes a second; a short loss of the radio is survived.
	keepAlive   = time.Second
	idleTimeout = 5 * time.Second
	// maxKeepAlive is how rarely sessions are kept alive where NATs allow it: below
	// the 30 s after which many forget, and often enough to free what is dead.
	maxKeepAlive = 25 * time.Second
	// clockInterval is how often the clock is looked at; a gap of sleepGap more
	// means that the host has slept, or that the process was stopped.
	clockInterval = time.Second
	sleepGap      = 2 * time.Second
	// maxSessions bounds the sessions of one swarm that are not asked for.
	maxSessions = 4096

	// maxAsked bounds the attempts at once that other peers have asked for: as many as may join a popular
	// viewer in two seconds.
	maxAsked = 64
	// maxBirthdays bounds the attempts with hundreds of sockets or probes: their traffic and their ports are
	// the line's and the router's.
	maxBirthdays = 1
	// classTime is how long an attempt waits for the host to learn how it is connected, which decides about the
	// method: a discovery behind a NAT takes 1.5 s. Meanwhile the edge feeds the viewer.
	classTime = 2 * time.Second
	// attemptEvents bounds the datagrams that wait for an attempt's goroutine.
	attemptEvents = 64
	// maxPaths is how many paths an attempt can find: one of each word.
	maxPaths = 8
	// maxNoted bounds the peers of whom it is known how they were reached.
	maxNoted = 4096
	// adoptTime is how long a further socket waits for the session that it was found for.
	adoptTime = 5 * time.Second
	// maxReadFailures ends the reading of a further socket that has nothing but errors.
	maxReadFailures = 100
	// maxExtraDatagram is above what a probe or a tracker's reply has; a longer one is neither.
	maxExtraDatagram = 128
)
