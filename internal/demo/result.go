// SPDX-License-Identifier: GPL-3.0-or-later

package demo

import (
	"fmt"
	"strings"
	"time"

	"p2plive/internal/peer"
)

// Result is what a run came to: the object that `demo --json` prints last.
type Result struct {
	Viewers int `json:"viewers"`
	// Offload is the share of the viewers' media bytes that came from
	// viewers; OffloadMax is the most that is possible: one copy of the
	// stream has to come from the edge (Kumar and Ross, 2007).
	Offload         float64          `json:"offload"`
	OffloadMax      float64          `json:"offload_max"`
	LatencyMS       peer.Percentiles `json:"latency_ms"`
	FragmentsPlayed uint64           `json:"fragments_played"`
	FragmentsMissed uint64           `json:"fragments_missed"`
	Stalls          int              `json:"stalls"`
	// Pieces counts all that viewers received, Duplicates those among them
	// that they had already.
	Pieces     uint64 `json:"pieces"`
	Duplicates uint64 `json:"duplicates"`
	// ControlShare is the bytes of messages that carry no media, over the
	// bytes of media, for all that the roles sent.
	ControlShare              float64 `json:"control_share"`
	CPUSecondsPerViewerMinute float64 `json:"cpu_seconds_per_viewer_minute"`
	RSSBytes                  uint64  `json:"rss_bytes"`
	// Uplink says what the viewers' lines carried upwards.
	Uplink Account `json:"uplink"`
	// Lines tells of viewers by what their lines carry upwards, where that is known.
	Lines []Line `json:"lines,omitempty"`
	Final bool   `json:"final,omitempty"`
}

// totals are sums over all roles, from the start.
type totals struct {
	at             time.Time
	usage          usage
	all            group
	lines          map[int64]*group // by what they carry upwards
	control, media uint64
}

func (d *Demo) totals() totals {
	t := totals{at: time.Now(), usage: currentUsage(), lines: make(map[int64]*group)}
	for i, v := range d.viewers {
		st := v.Stats()
		t.control += st.ControlBytes
		t.media += st.BytesUploaded
		t.all.add(&st)
		if up := d.cfg.Hosts.Uplink(i); up > 0 {
			if t.lines[up] == nil {
				t.lines[up] = new(group)
			}
			t.lines[up].add(&st)
		}
	}
	for _, st := range []peer.Stats{d.source.Stats(), d.edge.Stats()} {
		t.control += st.ControlBytes
		t.media += st.BytesUploaded
	}
	return t
}

// Mark has Result tell only what comes after now.
func (d *Demo) Mark() {
	t := d.totals()
	d.mu.Lock()
	d.since = t
	d.mu.Unlock()
}

// Result sums up the run so far, since the last Mark.
func (d *Demo) Result() Result {
	d.mu.Lock()
	was := d.since
	d.mu.Unlock()
	now := d.totals()
	all := now.all.since(&was.all)
	r := Result{
		Viewers: len(d.viewers), OffloadMax: 1 - 1/float64(len(d.viewers)),
		Offload:         share(all.fromPeers, all.fromPeers+all.fromEdges),
		LatencyMS:       peer.PercentilesOf(&all.latency),
		FragmentsPlayed: all.played, FragmentsMissed: all.missed,
		Stalls: all.stalls,
		Pieces: all.pieces, Duplicates: all.duplicates,
		ControlShare: share(now.control-was.control, now.media-was.media),
		RSSBytes:     now.usage.rss,
		Uplink:       all.account(now.at.Sub(was.at)),
		Lines:        now.linesSince(&was),
	}
	if minutes := now.at.Sub(was.at).Minutes(); minutes > 0 {
		r.CPUSecondsPerViewerMinute = (now.usage.cpu - was.usage.cpu).Seconds() / float64(r.Viewers) / minutes
	}
	return r
}

// Table returns the result for people.
func (r *Result) Table() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-22s "+format+"\n", append([]any{name}, args...)...)
	}
	row("viewers", "%d", r.Viewers)
	row("offload", "%.3f of at most %.3f", r.Offload, r.OffloadMax)
	row("latency", "%d ms p50, %d ms p95, %d ms p99", r.LatencyMS.P50, r.LatencyMS.P95, r.LatencyMS.P99)
	row("fragments", "%d played, %d missed", r.FragmentsPlayed, r.FragmentsMissed)
	row("stalls", "%d", r.Stalls)
	row("duplicates", "%d of %d pieces", r.Duplicates, r.Pieces)
	row("control", "%.2f%% of the media", 100*r.ControlShare)
	row("CPU", "%.2f s for each viewer and minute", r.CPUSecondsPerViewerMinute)
	row("memory", "%.0f MB, %.1f MB for each viewer", float64(r.RSSBytes)/1e6, float64(r.RSSBytes)/1e6/float64(r.Viewers))
	return b.String()
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
