// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

// replayFilter remembers which of the newest replayWindow counters have been seen (RFC 6479: a ring of
// words, so that moving the window clears words and shifts no bits).
type replayFilter struct {
	next uint64 // one above the highest counter accepted
	seen [replayWords]uint64
}

// One word more than the window: the newest one is only partly in use.
const replayWords = replayWindow/64 + 1

// whole gives the counter that has this lower half and is nearest to the one that is expected next, of which a sender is
// never half of 2^32 ahead: an epoch of keys has 2^24. A wrong one does not verify.
func (f *replayFilter) whole(low uint32) uint64 {
	ahead := int64(int32(low - uint32(f.next)))
	if ahead < 0 && uint64(-ahead) > f.next { // before the first one
		return f.next + uint64(uint32(ahead))
	}
	return f.next + uint64(ahead)
}

// fresh tells whether the counter may still be accepted. It changes nothing: an unauthentic datagram must
// not move the window.
func (f *replayFilter) fresh(counter uint64) bool {
	if counter >= f.next {
		return true
	}
	if f.next-counter > replayWindow {
		return false
	}
	return f.seen[counter/64%replayWords]&(1<<(counter%64)) == 0
}

// accept marks the counter of an authentic datagram as seen; fresh must have been true.
func (f *replayFilter) accept(counter uint64) {
	if counter >= f.next {
		f.advance(counter)
	}
	f.seen[counter/64%replayWords] |= 1 << (counter % 64)
}

// advance moves the window so that counter is its newest, and clears the words that it enters.
func (f *replayFilter) advance(counter uint64) {
	newest := counter / 64
	first := uint64(0)
	if f.next > 0 {
		first = (f.next-1)/64 + 1
	}
	if newest >= replayWords && first < newest-replayWords+1 {
		first = newest - replayWords + 1
	}
	for w := first; w <= newest; w++ {
		f.seen[w%replayWords] = 0
	}
	f.next = counter + 1
}
