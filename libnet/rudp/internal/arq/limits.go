// SPDX-License-Identifier: GPL-3.0-or-later

package arq

const (
	// defaultPeerWindow is what KCP assumes of a peer that has not spoken yet, in segments.
	defaultPeerWindow = 32
	// maxInFlight bounds the segments between the first that is not acknowledged and the next new one: the
	// records take 40 bytes each, and 8192 segments carry 1.5 Gbit/s at 50 ms.
	maxInFlight = 8192
	// maxFragments is what KCP's fragment number of one byte can count.
	maxFragments = 256
	// minFragment keeps a message from starting in the rest of a datagram that takes hardly more than the
	// 24 bytes of its header.
	minFragment = 64
	// clockLen is the receiver's clock before the bitmap.
	clockLen = 4
	// maxBitmap bounds the bitmap of an acknowledgement: 1024 segments. What is beyond it is acknowledged
	// when the gap before it has closed.
	maxBitmap = 128
	// maxAcks bounds the acknowledgements that wait for a flush towards a peer without bitmaps. What finds
	// no place is sent again by the peer.
	maxAcks = 1024
	// maxCopies bounds the retransmissions that wait to be sent a second time.
	maxCopies = 32
	// maxCovered bounds what a parity segment covers: four messages of 8 KiB, and 30 us to make or use it. The
	// newest historyLen segments are kept for it where a peer sends them (80 KB), which allows for as many that come
	// late; maxQuiet segments after the last one they are given up.
	maxCovered = 32
	historyLen = 64
	maxQuiet   = 512
	// maxEquations bounds the parity segments that wait for others, or for what they cover: with more losses than
	// that, repetitions are needed anyway. It also bounds how many more of them than data segments are looked at,
	// for they cost ten times the work.
	maxEquations = 8
	// maxCredit bounds how many parity segments may follow one another after a pause, and how long repetitions of
	// a burst of losses keep others from being sent.
	maxCredit = 4
	// maxGap keeps the count of skipped messages from growing without end.
	maxGap = 1 << 30
	// smallRing is the first size of the rings, and what Trim leaves alone.
	smallRing = 16
)

// Times in microseconds.
const (
	millisecond = Time(1000)
	second      = 1000 * millisecond

	// initialTimeout is RFC 6298's first RTO made shorter: handshakes of the session above have measured the
	// path before, so that this only serves conversations that begin with a loss.
	initialTimeout = 200 * millisecond
	// maxTimeout bounds the backoff, unless two round trips are longer: after a blackout the peer hears of us within
	// that time. Two segments each time are 6 KB/s into the void.
	maxTimeout = 400 * millisecond
	// maxRTT is the longest round trip that is believed: older time stamps are from nowhere.
	maxRTT = 30 * second
	// minRTTInterval: the least round trip is that of the current interval and the one before, so that a
	// route that has become longer is accepted as such.
	minRTTInterval = 10 * second
	// probeInterval is the first wait before a closed window is asked for; it grows by half up to
	// maxProbeInterval.
	probeInterval    = 200 * millisecond
	maxProbeInterval = 5 * second
)

// RACK (RFC 8985, section 6.2.4).
const (
	// dupThresh acknowledged segments beyond a gap make it a loss at once, as long as the path has never
	// reordered.
	dupThresh = 3
	// maxReorder bounds the reordering window, in quarters of the least round trip.
	maxReorder = 16
	// reorderPersist is after how many losses without a spurious retransmission the window is narrowed.
	reorderPersist = 16
	// tailProbes are the segments sent again when acknowledgements stay away, before anything counts as lost;
	// two, for the last one alone would leave a loss before it for a further round trip.
	tailProbes = 2
)
