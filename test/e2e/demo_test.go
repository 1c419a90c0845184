// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// result is the last object of `demo --json`.
type result struct {
	Viewers         int         `json:"viewers"`
	Offload         float64     `json:"offload"`
	OffloadMax      float64     `json:"offload_max"`
	LatencyMS       percentiles `json:"latency_ms"`
	FragmentsPlayed int64       `json:"fragments_played"`
	FragmentsMissed int64       `json:"fragments_missed"`
	Stalls          int64       `json:"stalls"`
	Pieces          int64       `json:"pieces"`
	Duplicates      int64       `json:"duplicates"`
	Final           bool        `json:"final"`
}

// TestDemoOfTenViewers holds what the program promises of a small audience. It
// measures latency, so it runs alone and without the race detector.
func TestDemoOfTenViewers(t *testing.T) {
	const viewers, duration = 10, 30 * time.Second
	p := proc.Start(t, proc.Spec{Name: "demo", Path: bin.Fast, Args: []string{
		"demo", "--viewers", "10", "--duration", duration.String(), "--json", "--http", proc.FreeAddr(t),
	}})
	if code := p.Wait(duration + startTime); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	lines := p.Stdout.All()
	if len(lines) == 0 {
		t.Fatal("nothing on standard output")
	}
	last := lines[len(lines)-1].Text
	t.Log(last)
	var r result
	if err := json.Unmarshal([]byte(last), &r); err != nil {
		t.Fatalf("last line of --json: %v", err)
	}
	if !r.Final || r.Viewers != viewers {
		t.Errorf("final %v of %d viewers, want true of %d", r.Final, r.Viewers, viewers)
	}
	if least := int64(viewers * playing * (duration - playTime) / time.Second); r.FragmentsPlayed < least {
		t.Errorf("%d fragments played, want %d or more", r.FragmentsPlayed, least)
	}
	if r.FragmentsMissed != 0 || r.Stalls != 0 {
		t.Errorf("%d fragments missed, %d stalls, want none", r.FragmentsMissed, r.Stalls)
	}
	if r.Offload < 0.80 || r.Offload > r.OffloadMax {
		t.Errorf("offload %.3f, want 0.80 to %.3f", r.Offload, r.OffloadMax)
	}
	if r.LatencyMS.P95 > 400 || r.LatencyMS.P95 <= 0 {
		t.Errorf("latency p95 %d ms, want 400 or less", r.LatencyMS.P95)
	}
	if r.Pieces == 0 || float64(r.Duplicates) > 0.01*float64(r.Pieces) {
		t.Errorf("%d of %d pieces came twice, want 1%% or less", r.Duplicates, r.Pieces)
	}
}
