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
