// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import "time"

// standardWaits is RFC 8489, section 6.2.1: a request is sent up to 7 times (Rc), the first time
// again after the initial timeout of 0.5 s, then after twice as long each time; the last one is
// given 16 initial timeouts (Rm). That is 39.5 s altogether.
var standardWaits = []time.Duration{
	500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
	8 * time.Second, 16 * time.Second, 8 * time.Second,
}

// firstWaits is for the first request of a discovery: whoever waits for it has to know in 2 s
// whether UDP gets through at all.
var firstWaits = []time.Duration{
	200 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, time.Second,
}

const (
	// minWait and maxWait bound how long a test waits before it asks again: twice the round trip
	// time, but more than jitter, and not so long that a slow path makes a slow test.
	minWait = 100 * time.Millisecond
	maxWait = 500 * time.Millisecond

	// extraSockets is how many further sockets a discovery opens: with two mappings each they
	// show seven distances between ports in a row.
	extraSockets = 4

	// minPorts is how many ports in a row tell sequential from random, maxStride the largest
	// distance of a sequential allocator whose other users take ports meanwhile. Four random ports
	// look sequential once in 100,000, eight hardly ever.
	minPorts  = 4
	maxStride = 100

	// A NAT must keep a mapping for two minutes (RFC 4787, section 4.3); many keep it for 30 s. Below
	// minLifetime no keepalive would be of use, beyond maxLifetime a longer one saves nothing.
	minLifetime = 10 * time.Second
	maxLifetime = 5 * time.Minute

	// lifetimePrecision ends the search: when the bounds are this share apart.
	lifetimePrecision = 8

	// maxPending bounds a client's transactions under way. A socket asks a handful of servers.
	maxPending = 256

	// maxMessage is the largest STUN message read. Over UDP a message must fit the path's MTU
	// (RFC 8489, section 6.1), of which 1,280 bytes is what IPv6 promises; a Binding message of
	// use here is below 100.
	maxMessage = 1280

	// defaultRate and defaultBurst limit the answers to one address, in requests per second and
	// requests at once. A household or a carrier's NAT full of viewers shares an address. A viewer
	// that learns how its NAT behaves asks some 20 to 40 times in a second or two; a request that
	// is not answered can look like a filter to it.
	defaultRate  = 50
	defaultBurst = 400

	// minRate, maxRate and maxBurst keep the limiter's times between a microsecond and 63 bits of
	// nanoseconds.
	minRate  = 1e-3
	maxRate  = 1e6
	maxBurst = 1_000_000

	// limiterSlots is the size of the table of addresses: 512 KiB. See limiter for what happens
	// when there are more.
	limiterSlots = 1 << 16

	// maxReadErrors in a row, readErrorPause apart, end the server: single ones come from ICMP
	// errors on some systems, or from a shortage of memory that passes.
	maxReadErrors  = 100
	readErrorPause = 10 * time.Millisecond
)

// Hole punching.
const (
	// maxNumber bounds what a peer sends in one attempt: the birthday method's probes, and answers.
	maxNumber = 4095

	// maxProbesPerAddr bounds the probes of one attempt to an address that has not answered.
	maxProbesPerAddr = 10

	// maxCandidates bounds the other's candidates that are tried: addresses of a few interfaces in both
	// families, one reflexive and one mapped.
	maxCandidates = 12

	// maxHeard bounds the addresses that are noted because an authentic probe came from there.
	maxHeard = 16

	// maxStep bounds the step of a sequential allocation that others are told of: see maxStride.
	maxStep = 1000

	// probeGap lies between the probes to two addresses: some routers drop bursts of new flows.
	probeGap = 5 * time.Millisecond

	// openTTL lets a datagram pass a home's router and a carrier's NAT, and open both, but not come as far
	// as the other's router.
	openTTL = 3

	// openGrace is how long the side that was asked leaves it to the asker to send the first probe that
	// comes through: longer than a lost segment of the asker's long connection takes. See Puncher.
	openGrace = 400 * time.Millisecond

	// afreshAfter is when the asker goes on from another socket if nothing has come: the answer to its first
	// probes and to the second ones has had time on most paths.
	afreshAfter = 600 * time.Millisecond

	// requestEvery repeats a connection request until the other's address is known: longer than most round
	// trips through the tracker. The attempt ends after requestTime: the other may still be learning how it is
	// connected.
	requestEvery = 300 * time.Millisecond
	requestTime  = 3 * time.Second

	// probeTime ends an attempt between cones: a path between them shows within a few round trips.
	probeTime = 2 * time.Second

	// predictTime ends one with predicted ports; predictAhead and predictBehind are how many ports after
	// and before the one last seen are tried: others behind the NAT take some meanwhile.
	predictTime   = 3 * time.Second
	predictAhead  = 32
	predictBehind = 4
	predictRounds = 3
	predictPause  = 400 * time.Millisecond

	// birthdaySockets behind the symmetric NAT and birthdayProbes from the other side meet with a
	// probability of 1 - exp(-256*1024/64512) = 98%. A probe is 63 bytes with its headers: at birthdayRate
	// that is 76 kbit/s. The sockets' own datagrams take half a second.
	birthdaySockets = 256
	birthdayProbes  = 1024
	birthdayRate    = 150                    // a second
	birthdayOpening = 500                    // a second
	birthdayWait    = 250 * time.Millisecond // until half of the sockets are there
	birthdayTime    = 10 * time.Second

	// budgetBurst and budgetRate bound the probes of a host to one address, over all attempts: one birthday or
	// the cones of a school at once, 130 KB on the wire; then a round for one peer every few seconds.
	budgetBurst = 2048
	budgetRate  = 4

	// improveTime is how long a better path is looked for after the first one.
	improveTime = time.Second
)

// The tracker's part in hole punching.
const (
	// askInterval and askBurst bound the connection requests of one peer, and those that are forwarded to one:
	// a peer dials a dozen others when it comes and a few a minute later, with repetitions, and is dialled by
	// as many as find it in a flash crowd.
	askInterval = 125 * time.Millisecond
	askBurst    = 64

	// maxAttempts bounds the attempts that are remembered, 150 bytes each, for attemptTime: the asker and the
	// other have given up by then.
	maxAttempts = 1 << 16
	attemptTime = 10 * time.Second

	// requestRates is how many times the rate of STUN answers connection requests may come from one address:
	// a viewer that comes dials a dozen others, twice each, and a school shares an address.
	requestRates = 4

	// cookieTime is how long a cookie is good, at least; at most twice as long.
	cookieTime = 10 * time.Second
)
