// SPDX-License-Identifier: GPL-3.0-or-later

// Package pace keeps inputs that are read as fast as they come, such as a pipe
// or an encoder without a clock, to real time.
package pace

import (
	"context"
	"time"
)

const (
	// slack is how far an input may run ahead. Encoders send in bursts of a
	// few frames, and what waits here is latency for nobody.
	slack = 500 * time.Millisecond
	// maxAhead is what is taken for timestamps that jump, not for haste.
	maxAhead = 5 * time.Second
)

// Pacer holds an input back.
type Pacer struct {
	set   bool
	wall  time.Time
	media time.Duration
}

// Wait returns when a sample with timestamp t may pass: at once if the input
// runs at real time or slower. It returns early when ctx is done.
func (p *Pacer) Wait(ctx context.Context, t time.Duration) {
	now := time.Now()
	ahead := (t - p.media) - now.Sub(p.wall)
	if !p.set || ahead < 0 || ahead > maxAhead {
		p.set, p.wall, p.media = true, now, t
		return
	}
	if ahead <= slack {
		return
	}
	timer := time.NewTimer(ahead - slack)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
