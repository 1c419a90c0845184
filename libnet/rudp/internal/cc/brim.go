// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// brim tells losses of a queue that overflows from random ones, by when they happen: the first come when the
// delay is as high as it gets, the others at any time.
type brim struct {
	high, before time.Duration // greatest delay of this interval and of the last
	since        time.Duration
	delays       float64 // share of the samples near the greatest delay
	losses       float64 // share of the losses then
}

func (b *brim) highest() time.Duration { return max(b.high, b.before) }

func (b *brim) near(delay time.Duration) bool {
	return delay > minBrim && float64(delay) > brimShare*float64(b.highest())
}

func (b *brim) add(now, delay time.Duration) {
	if now-b.since >= brimInterval {
		b.before, b.high, b.since = b.high, 0, now
	}
	b.high = max(b.high, delay)
	b.delays += (share(b.near(delay)) - b.delays) * brimDelayWeight
}

// lost takes a loss and tells whether the delay was near its greatest, and whether that is an overflow that
// other traffic has caused.
func (b *brim) lost(delay, target time.Duration) (near, overflow bool) {
	near = b.near(delay)
	b.losses += (share(near) - b.losses) * brimLossWeight
	foreign := float64(b.highest()) > brimExcess*float64(target)
	return near, near && (foreign || b.losses-b.delays > brimContrast)
}

func share(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
