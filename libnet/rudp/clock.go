// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"time"

	"p2plive/libnet/rudp/internal/arq"
)

// at gives the session's time: since the Unix epoch by a clock that never goes back, although events come from
// several goroutines that have looked at the clock before they had the lock. The caller holds c.mu.
func (c *Conn) at(now time.Time) time.Duration {
	c.clock = max(c.clock, c.ep.since(now))
	return c.clock
}

// ticks is at in the units of the channels' cores.
func (c *Conn) ticks(now time.Time) arq.Time { return arq.Time(c.at(now) / time.Microsecond) }

// timeOf is the inverse, rounded up: a timer must not come early.
func (e *Endpoint) timeOf(t arq.Time) time.Time {
	return e.start.Add(time.Duration(t)*time.Microsecond - e.epoch)
}

func duration(t arq.Time) time.Duration { return time.Duration(t) * time.Microsecond }
