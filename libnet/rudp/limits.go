// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// Sizes on the wire, in bytes.
const (
	// BaseDatagram is the UDP payload that datagrams have until their path has shown to carry more: the IPv6 minimum MTU of
	// 1280 without the IPv6 and UDP headers, so that no path fragments or drops it.
	BaseDatagram = 1232
	// MaxDatagram is the most that they may have: the same for Ethernet's MTU of 1500.
	MaxDatagram = 1452

	// overhead are a datagram's bytes around its frames; baseFrames and maxFrames are the room for those.
	overhead   = dataHeaderLen + tagLen
	baseFrames = BaseDatagram - overhead
	maxFrames  = MaxDatagram - overhead
	// basePayload is the message bytes in one full KCP segment of such a datagram. Windows and queues count these.
	basePayload = baseFrames - segmentsHeaderLen - arq.ShortLen

	// MaxMessage bounds a message: 64 KiB holds any piece of a stream with room to spare, takes at most 57 KCP
	// fragments (KCP's own limit is 255), and stays far below the smallest receive window.
	MaxMessage = 64 << 10

	// MaxReason bounds the reason in a close datagram: one line of text, not a channel.
	MaxReason = 256
)

// payloadOf is the message bytes in the one full KCP segment of a datagram.
func payloadOf(size int) int { return size - overhead - segmentsHeaderLen - arq.ShortLen }

// mtuSizes are what is tried when a path does not carry MaxDatagram, the longest first: an Ethernet frame less a tunnel
// of one IP version in the other (MTU 1480 of IPv6, 1460 of IPv4) or PPPoE (1492), with which 8 KiB still take six segments;
// and less a VPN (1420).
var mtuSizes = [...]int{MaxDatagram, 1432, 1372}

// Discovery of the path's MTU (RFC 8899).
const (
	// mtuWorth bytes of messages are sent before a probe: with 100 KB the 1.5 KB that it takes no longer count, and a
	// session that sends little gains nothing.
	mtuWorth = 100_000
	// mtuTries probes of a size go unanswered before the next shorter one (MAX_PROBES), mtuWait apart, which is the least that
	// RFC 8899, section 5.1.1, allows for PROBE_TIMER.
	mtuTries = 3
	mtuWait  = time.Second
	// mtuRaise is when longer ones are tried again (PMTU_RAISE_TIMER).
	mtuRaise = 10 * time.Minute
	// mtuRounds is for how many round trips long datagrams are lost, and none arrives, before the path counts as a black hole
	// for them: at a loss of 10% and one such segment in a round trip, that happens by chance once in a thousand.
	mtuRounds = 3
	// mtuPause follows the first black hole of a path, which may have been a blackout; mtuRaise the next.
	mtuPause = time.Minute
	// maxParts bounds the frames of which one part has come: the parts of a frame follow one another.
	maxParts = 8
)

// Sessions and handshakes.
const (
	// defaultIdleTimeout: some sixteen unanswered questions. Viewers replace a parent long before, by its
	// missing pieces; this only frees what is left.
	defaultIdleTimeout = 10 * time.Second
	// defaultKeepAlive: below the shortest UDP mapping timeouts seen in home routers (some 10 s under
	// load), with room for losses before defaultIdleTimeout.
	defaultKeepAlive = 2 * time.Second
	// silentBeats of the peer's rhythm without a word make a silence, at least minSilence and at most the KeepAlive:
	// longer than the gap of one lost and repeated datagram, shorter than a viewer's buffer. What follows within
	// burstGap belongs to the burst before.
	silentBeats = 4
	minSilence  = 200 * time.Millisecond
	burstGap    = 5 * time.Millisecond
	// keepAliveRepeats times in that interval an unanswered question is asked again.
	keepAliveRepeats = 4
	// askAgain is that wait at most, where keepalives are rare.
	askAgain = 500 * time.Millisecond
	// recheckTimeout is what a peer may take to answer after the host has slept: four questions.
	recheckTimeout = 2 * time.Second
	// defaultHandshakeTimeout: five or more initiations; a user waits no longer before the next address.
	defaultHandshakeTimeout = 5 * time.Second
	// handshakeRetry is the first wait for a response; it doubles up to handshakeRetryMax. 200 ms is
	// longer than most round trips, short enough that one lost datagram is not felt at the start of play.
	handshakeRetry    = 200 * time.Millisecond
	handshakeRetryMax = time.Second
	// halfOpenTimeout: an initiator proves itself one round trip after the response, and repeats that many
	// times within this. It may be long, for maxHalfOpen bounds what waits.
	halfOpenTimeout = 10 * time.Second
	// maxHalfOpen bounds what an initiator with a spoofed address can make the responder keep (about 2 KiB
	// each). When full, the oldest goes: a flood pushes out mostly itself.
	maxHalfOpen = 512
	// maxInbound bounds the initiations that wait for the responder (1.2 KiB each); further ones are dropped.
	maxInbound = 256
	// maxRepeats: the copies of an initiation that are answered; an initiator sends about ten.
	maxRepeats = 16
	// defaultMaxSessions: about 20 KiB for an idle session, so about 80 MiB.
	defaultMaxSessions = 4096
	// defaultAcceptBacklog: sessions that come while the application is busy for a moment.
	defaultAcceptBacklog = 128

	// sourceRate and sourceBurst bound handshakes from one address (IPv6: one /64) per second. Answering an
	// initiation costs about 0.5 ms of CPU, so one source can take about 3% of a core; the burst lets a
	// household, a carrier's NAT or a test with hundreds of peers start at once.
	sourceRate  = 64
	sourceBurst = 256
	// totalRate and totalBurst bound the handshakes from all addresses: about a quarter of a core.
	totalRate  = 500
	totalBurst = 1000
	// calmRate and calmBurst are the handshakes that are computed for initiators who have not shown that they
	// receive at their address; above that they are asked to. It is what a peer with a name sees in quiet times.
	calmRate  = 100
	calmBurst = 256
	// cookieTime is how long a cookie is good, at least; at most twice as long.
	cookieTime = 10 * time.Second
	// maxCookies bounds how often a dialler answers a demand for a cookie: the responder's clock moves on.
	maxCookies = 8
	// maxSources bounds the table of addresses (64 bytes each). Addresses that find it full share one
	// bucket.
	maxSources = 4096

	// maxUnacked datagrams in the midst of a message are acknowledged together, if they come within 1/ackShare of
	// the round trip and within maxAckDelay (that of RFC 9000, section 18.2): a quarter of what a sender waits beyond
	// the round trip before it probes, and often enough for the four samples in a round trip that congestion control
	// wants (with an eighth, four sessions on 5 Mbit/s had a queue of 38 ms instead of 24). Where acknowledgements fill
	// the line, the round trip grows, and they become fewer.
	maxUnacked  = 8
	ackShare    = 16
	maxAckDelay = 25 * time.Millisecond
	// thriftyUnacked, thriftyShare and thriftyAckDelay are those of a thrifty endpoint: one answer to a piece that comes
	// at the pace of somebody else's line, and still more often than the sender's timer for a silence allows.
	// veryThriftyShare is that of one that waits at the ends of messages too: 80 pieces a second and as many small
	// messages from eight peers are acknowledged with 54 kbit/s so, instead of 91.
	thriftyUnacked   = 32
	thriftyShare     = 2
	veryThriftyShare = 1
	thriftyAckDelay  = 60 * time.Millisecond

	// closeRepeats and closeInterval: the close datagram is sent at once and again, so that losing one or
	// two leaves no peer waiting for its idle timeout. The closed session answers late datagrams with it
	// for that time, then it is forgotten.
	closeRepeats  = 3
	closeInterval = 100 * time.Millisecond
	// closeAnswers bounds those answers: a peer that goes on sending after that will find out by itself.
	closeAnswers = 8

	// epochBits: a key seals 2^24 datagrams at most, 20 GB; AES-GCM's confidentiality limit for datagrams of at
	// most 2 KiB is 2^28 (RFC 9001, appendix B.1).
	epochBits = 24
	// rekeyInterval is how long a key serves at most: what a key taken from memory opens.
	rekeyInterval = 10 * time.Minute
	// challengeInterval is the least time between two challenges to another address that the peer seems to have.
	challengeInterval = 100 * time.Millisecond
	// maxProbes bounds the addresses of a peer that are tried at the same time, and those remembered that have
	// answered: more than a host has interfaces, families and NATs.
	maxProbes = 16
	// probeRetry is the first wait for the answer to a Probe; it doubles up to probeRetryMax. NATs on the way may
	// need both sides' first datagrams to cross, so it is short.
	probeRetry    = 100 * time.Millisecond
	probeRetryMax = time.Second
	// probeMemory challenges of a Probe have their times remembered: six seconds of them.
	probeMemory = 8
	// proofTime is how long after its answer an address may be moved to.
	proofTime = 10 * time.Second
	// acceptorSettles and diallerSettles are how long after a Move the peer's present address does not move the session
	// back: some round trips, for the peer to follow. When both have moved, the acceptor gives way.
	acceptorSettles = time.Second
	diallerSettles  = 2 * time.Second
	// maxSockets bounds the further sockets: an edge's tunnels, or the hundreds that a search for a port opens.
	maxSockets = 4096
	// replayWindow is how far behind the newest counter a datagram may come. Larger than any batch that
	// reordering can overtake: 2048 datagrams are 50 ms at 400 Mbit/s.
	replayWindow = 2048
)

// Channels.
const (
	// maxChannels per session bounds what a peer can make us keep: about 20 KiB for an empty channel,
	// RecvQueue for one whose messages are not read.
	maxChannels = 64
	// defaultSendQueue: one second at 4 Mbit/s. A live stream gains nothing from queueing longer.
	defaultSendQueue = 512 << 10
	// defaultRecvQueue also bounds one channel's rate: what comes behind a loss waits in it for the repetition. Three
	// round trips of 50 ms at 50 Mbit/s, for the one under way and two in which the same segment is lost again.
	defaultRecvQueue = 1 << 20
	// minQueue: a message must fit while another one is still being read or acknowledged.
	minQueue = 2 * MaxMessage
	// maxRecvQueue: the window field of a KCP segment has 16 bits.
	maxRecvQueue = 8 << 20
)

// Redundancy: parity segments, where a repetition would come too late.
const (
	// lossMemory is over how many datagrams the loss is taken, once there have been as many; lossPrior datagrams that
	// were not lost are put before them, so that one early loss does not look like many.
	lossMemory = 1024
	lossPrior  = 32
	// redundancyLoss: from one loss in 400 on, every 50th message of 8 KiB waits for a repetition.
	redundancyLoss = 0.0025
	// redundancyRTT: what a repetition costs below that, nobody sees. It is the path's own round trip: one that is long
	// because a host is overloaded would only get longer by the work of parity segments.
	redundancyRTT = 10 * time.Millisecond
	// redundancyQueue: with that much delay the losses may be those of a full queue, which more bytes make worse.
	redundancyQueue = 10 * time.Millisecond
	// redundancyPause is how long there is none after such a queue; twice as long each further time, up to
	// maxRedundancyPause: on a line that the stream nearly fills there is room for the stream alone.
	redundancyPause    = 3 * time.Second
	maxRedundancyPause = time.Minute
	// lightRedundancy, repetitions included, is a parity segment for each message of 8 KiB, of six segments of MaxDatagram,
	// and some repetitions: as long as losses are light, nearly all come in time. Beyond lightLoss no such share would do that;
	// leastRedundancy holds all that is sent below 1.2 times the messages' bytes. Above heavyLoss, each further loss is
	// worth redundancySlope times its bytes, up to mostRedundancy.
	lightLoss       = 0.02
	lightRedundancy = 0.18
	leastRedundancy = 0.139
	heavyLoss       = 0.06
	redundancySlope = 4
	mostRedundancy  = 0.4
)

// The pump.
const (
	// streamMessage is the longest message of a NetConn: long enough that its header costs nothing, short enough that a
	// small queue holds several.
	streamMessage = 16 << 10
	// streamLinger bounds how long Close of a NetConn waits for room in the send queue.
	streamLinger = time.Second
	// maxPadding is what is added to a datagram for its neighbours' size. It is less than what the channel's
	// core begins a message in, so that only the ends of messages are padded: 4% at most.
	maxPadding = 96
	// initialWindow lets the first messages go without a round trip of probing: two pieces of 16 KiB.
	initialWindow = 32 * BaseDatagram
	// maxInline is what the read loop sends before it reads again: some 200 us.
	maxInline = 256 << 10
	// maxHold is what is sent in one go while a session's lock is held: two batches, some 100 us.
	maxHold = 2 * batchBytes
	// quantum is what a channel sends in its turn: about one message's worth of datagrams.
	quantum = 8 << 10
	// readBatch bounds the messages of one system call, each of which may be up to 53 datagrams that the kernel merged.
	readBatch = 64
	// drainBatch datagrams are taken, if they come fast enough, before anything is acknowledged: half of what the
	// default receive queue lets a peer have in flight.
	drainBatch = 2 * writeBatch
	// batchBytes and writeBatch bound one: two merged sends of as much as an IP packet has room for.
	batchBytes = 2 * (65535 - 20 - 8)
	writeBatch = batchBytes / BaseDatagram
)

// readErrorPause keeps a socket that fails for a while, as when its interface goes away, from taking a core.
const readErrorPause = 10 * time.Millisecond
