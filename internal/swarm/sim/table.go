// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"fmt"
	"strings"
)

// Verdict says in a line whether anybody is worse off with P2P than with an edge
// without limits.
func Verdict(on, off *Result) string {
	word := "never worse"
	if on.Stalls > off.Stalls || on.Missed > off.Missed {
		word = "worse"
	}
	return fmt.Sprintf("P2P is %s: %d stalls at %d viewers and %d fragments missed with it, %d at %d and %d without\n",
		word, on.Stalls, on.Stalled, on.Missed, off.Stalls, off.Stalled, off.Missed)
}

// Table writes the result for people.
func (r *Result) Table() string {
	var b strings.Builder
	mode := "P2P on"
	if !r.P2P {
		mode = "P2P off, an edge without limits"
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-18s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&b, "%s, %s: %d viewers, %.0f s, seed %d\n", r.Scenario, mode, r.Viewers, r.Seconds, r.Seed)
	row("piece lag", "p50 %d ms, p95 %d ms, p99 %d ms", r.LagP50, r.LagP95, r.LagP99)
	if r.P2P {
		row("lower bound", "%.0f ms; p99 is %.2f times it", r.Bound, r.TimesBound)
		row("offload", "%.4f of at most %.4f", r.Offload, r.OffloadMax)
	}
	row("on time", "%.5f of the pieces; continuity %.5f", r.OnTime, r.Continuity)
	row("playback", "%d stalls (%d ms) at %d viewers, %d fragments missed", r.Stalls, r.StallMs, r.Stalled, r.Missed)
	if r.Early != nil {
		row("", "%d stalls of viewers that had come before the crowd", *r.Early)
	}
	row("first picture", "p50 %d ms, p95 %d ms, last %d ms; %d still without", r.FirstP50, r.FirstP95, r.FirstMax, r.Waiting)
	if !r.P2P {
		return b.String()
	}
	row("media", "pushed %.4f, repaired %.4f, rescued %.4f", r.Pushed, r.Repaired, r.Rescued)
	row("overhead", "duplicates %.4f, control %.4f", r.Duplicates, r.Control)
	row("trees", "%.4f of the places taken, depth %d, %.1f neighbours, %d moves, %d loops",
		r.Attached, r.Depth, r.Neighbours, r.Moves, r.Loops)
	if r.DialsFailed > 0 {
		row("dials", "%.4f failed", r.DialsFailed)
	}
	if r.BadPieces > 0 {
		row("bad pieces", "%d, each found out and its sender dropped", r.BadPieces)
	}
	if r.LANCopies > 0 {
		row("LANs", "%.2f copies entered each", r.LANCopies)
	}
	if r.Violations > 0 {
		row("impossible", "%d commands, the first at %s", r.Violations, r.Violation)
	}
	return b.String()
}
