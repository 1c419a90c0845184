// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import "time"

const (
	// RFC 8489, section 6.2.1: a request is sent up to 7 times (Rc), the first time again after
	// the initial timeout, then after twice as long each time; the last one is given 16 initial
	// timeouts (Rm). That is 39.5 s altogether.
	initialRTO      = 500 * time.Millisecond
	maxTransmits    = 7
	lastWaitFactor  = 16
	transactionTime = (1<<(maxTransmits-1) - 1 + lastWaitFactor) * initialRTO

	// maxPending bounds a client's transactions under way. A socket asks a handful of servers.
	maxPending = 256

	// maxMessage is the largest STUN message read. Over UDP a message must fit the path's MTU
	// (RFC 8489, section 6.1), of which 1,280 bytes is what IPv6 promises; a Binding message of
	// use here is below 100.
	maxMessage = 1280

	// defaultRate and defaultBurst limit the answers to one address, in requests per second and
	// requests at once. A household or a carrier's NAT full of viewers shares an address, and
	// each viewer asks a few times at start and then every 15 s or so.
	defaultRate  = 20
	defaultBurst = 100

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
