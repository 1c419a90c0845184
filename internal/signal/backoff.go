// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"math/rand/v2"
	"time"
)

// backoff gives the pauses between attempts to connect: doubling from
// backoffMin to backoffMax, each drawn from its upper half so that the peers of
// a restarted tracker do not all come back in the same moment.
type backoff struct{ next time.Duration }

func (b *backoff) pause() time.Duration {
	d := max(b.next, backoffMin)
	b.next = min(2*d, backoffMax)
	return d/2 + rand.N(d/2+1)
}

func (b *backoff) reset() { b.next = 0 }
