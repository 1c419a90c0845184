// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"math"
	"time"
)

// uplink is a line that sends one thing after another.
type uplink struct {
	rate int64         // bits a second; 0 has no limit
	free time.Duration // when all that was given to it has left
	owed int64         // bytes that were pushed, or sent for rescue
}

// send queues a number of bytes and returns when the last of them leaves.
func (u *uplink) send(now time.Duration, bytes int) time.Duration {
	u.free = max(u.free, now) + u.takes(bytes)
	return u.free
}

// pass sends a small message past the queue: sessions interleave datagrams, so
// control does not wait for pieces, but pieces wait for control.
func (u *uplink) pass(now time.Duration, bytes int) time.Duration {
	t := u.takes(bytes)
	u.free = max(u.free, now) + t
	return now + t
}

// takes returns how long a number of bytes is on the line.
func (u *uplink) takes(bytes int) time.Duration {
	if u.rate == 0 {
		return 0
	}
	return time.Duration(int64(bytes) * 8 * int64(time.Second) / u.rate)
}

// losses draws how many rounds a reliable session needs beyond the first, and
// how many datagrams it sends again, for a message of n datagrams of which a
// share p is lost. Each round costs a round trip and more: see roundTrips.
func losses(draw func() float64, n int, p float64) (rounds, again int) {
	left := n
	for left > 0 && rounds < maxRounds {
		// Of n datagrams, none is lost with probability (1-p)^n; the number
		// lost is drawn by the waiting times between losses.
		lost := 0
		for i := skip(draw(), p); i < left; i += 1 + skip(draw(), p) {
			lost++
		}
		if lost == 0 {
			break
		}
		rounds++
		again += lost
		left = lost
	}
	return rounds, again
}

// skip returns how many datagrams pass before the next loss.
func skip(u, p float64) int {
	return int(min(math.Log(1-u)/math.Log(1-p), 1e6))
}

// datagrams returns how many a message of a number of bytes takes.
func datagrams(bytes int) int { return (bytes + datagramPayload - 1) / datagramPayload }
