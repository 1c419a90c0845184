// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// Rounds: decisions are made once per round trip.
const (
	// minRound bounds the rate of decisions where the round trip is shorter than the scheduling noise of the
	// two machines.
	minRound = 4 * time.Millisecond
	// roundSamples make the least of them a measure of the queue and not of jitter; LEDBAT filters over four
	// samples (RFC 6817, section 4.2). A round that lacks them is extended to two round trips.
	roundSamples = 4
	// startSamples are what slow start wants before it believes a rise of the delay (RFC 9406, section 4.3).
	startSamples = 8
)

// Base delay (RFC 6817, section 4.2: BASE_HISTORY; shorter here, for routes change and clocks drift).
const (
	// baseIntervals of baseInterval are remembered: a minute holds twenty slowdowns, and clocks that differ
	// by 50 ppm drift apart by 3 ms.
	baseIntervals = 6
	baseInterval  = 10 * time.Second
	// shiftSpread: a window at its minimum that sees the delay raised by the same amount for a whole
	// interval, within this, is on a longer route; a queue of other traffic varies more.
	shiftSpread = 3 * time.Millisecond
	// shiftRounds is the least number of rounds to say so.
	shiftRounds = 16
)

// The law of the window.
const (
	// gain is the share of the distance to the target that a round covers. The delay answers a round trip
	// late and is judged by the least of a round: above 0.5 the loop rings, at 0.25 it is critically damped.
	gain = 0.33
	// maxGrowth bounds the growth per round: BBR probes for bandwidth with as much.
	maxGrowth = 0.25
	// calmRounds with nearly no queue mean that there is capacity to find: from then on growth doubles with
	// each round up to maxGrowth.
	calmRounds = 3
	// maxDecrease bounds the decrease per round (LEDBAT++, section 4.2: never below half).
	maxDecrease = 0.5
	// heavyQueue times the target is not approached but left at once, as when the path has become slower.
	heavyQueue = 2
	// holdRounds after a slowdown or a decrease do not grow: their samples are of the time before.
	holdRounds = 2
)

// Slow start (RFC 9406, HyStart++; LEDBAT++, section 4.3).
const (
	// eagerPackets: up to there the window doubles each round trip whatever the profile says; 32 ms at 5 Mbit/s.
	eagerPackets  = 16
	startMinDelay = 4 * time.Millisecond // MIN_RTT_THRESH
	startMaxDelay = 16 * time.Millisecond
	startDivisor  = 8 // MIN_RTT_DIVISOR
)

// Losses.
const (
	// lossMemory is over how many packets the loss rate is taken: at 1% random loss it stays below
	// lossTolerance in all but one of 200 rounds.
	lossMemory = 256
	// lossTolerance is what radio links lose at random. Congestion that costs less is no harm: it is the
	// price of probing a queue too short to be seen as delay.
	lossTolerance = 0.02
	// lossSlope: how much each further share of loss takes from the window, down to lossFactor.
	lossSlope = 4
	// lossFactor is CUBIC's beta (RFC 9438, section 4.6).
	lossFactor = 0.7
	// heavyLoss without delay is a policer or a path that breaks: the window goes back to what is delivered.
	heavyLoss = 0.2
	// lossMinDelay, and lossDelayShare of the target: a queue of that much makes losses congestion's.
	lossMinDelay   = 4 * time.Millisecond
	lossDelayShare = 0.5
	// A queue is near its greatest delay of the last brimInterval to twice that from brimShare of it on; below
	// minBrim there is no queue.
	brimShare    = 0.8
	brimInterval = 5 * time.Second
	minBrim      = time.Millisecond
	// brimExcess targets of delay are more than flows like this one build: something fills the queue until it
	// overflows. So it is when the share of the losses near the greatest delay is by brimContrast more than
	// that of all samples. Each loss counts with brimLossWeight, each sample with brimDelayWeight.
	brimExcess      = 1.5
	brimContrast    = 0.3
	brimLossWeight  = 1.0 / 16
	brimDelayWeight = 1.0 / 64
	// startLosses in one round end slow start.
	startLosses = 8
)

// Pauses.
const (
	// deadTimeouts: when packets are in flight and nothing has come back for that many timeouts, the path is
	// dead until an acknowledgement comes (RFC 9002, section 7.6: persistent congestion after 3 PTO).
	deadTimeouts = 3
	// initialTimeout serves before the first measurement (RFC 6298, section 2).
	initialTimeout = time.Second
	// minTimeout keeps scheduling noise on short paths from looking like a dead path.
	minTimeout = 50 * time.Millisecond
	// idleRestart: what is known of a path is stale after that long without a packet (RFC 5681, section
	// 4.1 says one RTO, which with gaps between video frames would be always).
	idleRestart = 3 * time.Second
)

// Slowdowns (LEDBAT++, section 4.4).
const (
	// slowdownInterval: slowdowns fall on multiples of it since the epoch, so that all flows of a host (and
	// of hosts with synchronized clocks) drain a shared queue together: alone, a flow among many cannot.
	slowdownInterval = 3 * time.Second
	// joinDip: a queue that falls below this share of what it was is being drained by another flow, which is
	// the moment to join in; joinGap is the least time since the last slowdown. Flows that share a queue come
	// into step by this, as fireflies do. One of eight flows that slows down takes a fifth to a quarter of the
	// queue. A queue varies by a tenth without any: who joins that is out of step at the next slowdown of all,
	// the queue is not drained, and a flow that came late goes on taking a part of it for the path's own delay.
	joinDip = 0.8
	joinGap = slowdownInterval / 2
	// slowdownDepth is the share of the path's own capacity that stays in flight: the queue is empty, the
	// path is not.
	slowdownDepth = 0.6
	// slowdownSlack, at least, and slowdownShare of the round trip: what the clocks of hosts may differ, and
	// the time for some samples.
	slowdownSlack = 10 * time.Millisecond
	slowdownShare = 4
	// minSlowdownQueue: with less than that there is nothing to drain.
	minSlowdownQueue = time.Millisecond
)

// Rates.
const (
	// rateBuckets of rateBucket are remembered: the greatest rate of 10 s (BBR's BtlBwFilterLen is 10 round
	// trips, its RTprop filter 10 s).
	rateBuckets = 5
	rateBucket  = 2 * time.Second
	// pacingStart and pacingSteady times window per round trip: Linux's tcp_pacing_ss_ratio and _ca_ratio.
	pacingStart  = 2.0
	pacingSteady = 1.2
	// assumedRTT serves pacing before the first measurement.
	assumedRTT = 20 * time.Millisecond
)

// The pacer.
const (
	// minBurst lets a bucket begin with a few full packets, however slow the line.
	minBurst = 3 * 1500
	// maxBurst is how late a sender may wake up without losing its share: some timer ticks of a busy machine.
	maxBurst = 5 * time.Millisecond
	// pacingSlack is the same for a session's own pacing.
	pacingSlack = 2 * time.Millisecond
	// turnTime is a session's turn and roundTime that of all sessions of a class, as long as a turn is between
	// minQuantum, a packet, and maxQuantum, a batch of one system call with segmentation offload.
	turnTime   = 2 * time.Millisecond
	roundTime  = 50 * time.Millisecond
	minQuantum = 1232
	maxQuantum = 64 << 10
	// maxOwed quanta are remembered of a class that was not served: what it may then send in a row.
	maxOwed = 4
)

// classShares are the least shares of the classes. Control is small and Rescue bounded by what rescues are
// admitted, so that both need none; the live stream keeps a part beside many rescues, a peer that asks for
// repairs gets some while the stream runs, and what can wait does not wait for ever.
var classShares = [numClasses]float64{Newest: 0.3, Repair: 0.1, Background: 0.05}

// The host's uplink.
const (
	// uplinkInterval: shorter ones would measure how acknowledgements are batched.
	uplinkInterval = 200 * time.Millisecond
	// uplinkRounds round trips are enough, and minUplinkInterval is longer than a busy host lets acknowledgements wait.
	uplinkRounds      = 8
	minUplinkInterval = 20 * time.Millisecond
	// fullQueue: with that much delay something is full.
	fullQueue = 5 * time.Millisecond
	// uplinkHeadroom times the estimate lets it rise threefold in a second (BBR probes with as much).
	uplinkHeadroom = 1.25
	// slotLeast, and slotSamples of all sessions, or slotMost: within that a delay that all see is the line's.
	slotLeast   = 40 * time.Millisecond
	slotMost    = 200 * time.Millisecond
	slotSamples = 4
	// drainFrom begins to drain the queue of a line that is known, drainTo is enough. It takes drainTime, and at most
	// drainMost of the rate, so that other traffic of the line, whose queue does not go away, is given way to.
	drainFrom = 10 * time.Millisecond
	drainTo   = 5 * time.Millisecond
	drainTime = 200 * time.Millisecond
	drainMost = 0.5
	// drainLeast of the line is always used: by what comes back the others' queue is seen to go.
	drainLeast = 1.0 / 16
	// uplinkMemory is how long the estimate bounds the rate after the last queue was seen.
	uplinkMemory = 500 * time.Millisecond
)
