// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if RunAgent() {
		return
	}
	os.Exit(m.Run())
}

// tiny is enough for bytes to arrive, whatever else the machine does.
func tiny() Scale {
	return Scale{
		Rounds:      1,
		BulkMessage: 16 << 10,
		BulkWarmup:  50 * time.Millisecond,
		Bulk:        150 * time.Millisecond,

		RampStart:  2,
		RampMost:   3,
		RampCoarse: 1.5,
		RampFine:   1,
		RampSettle: 50 * time.Millisecond,
		RampStep:   200 * time.Millisecond,
		DelayLimit: time.Minute,
		OnTime:     0.01,
		Overload:   200 * time.Millisecond,

		IdleSessions: 4,
		IdleSettle:   10 * time.Millisecond,
		Idle:         100 * time.Millisecond,

		FloodRate:    2000,
		FloodGenuine: 16,
		FloodSettle:  50 * time.Millisecond,
		Flood:        200 * time.Millisecond,
	}
}

// TestBenchmarks runs each for a moment with every transport: bytes arrive, and every goal gets its figure.
func TestBenchmarks(t *testing.T) {
	s := Suite{Scale: tiny(), Progress: Progress{W: t.Output()}}
	if err := s.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := len(s.Report.Rows), len(goals); got != want {
		t.Errorf("%d goals have a figure, want %d", got, want)
	}
	positive := map[string]bool{
		figureBulk: true, figureThroughput: true, figureCapacity: true, figureOverload: true,
		figureIdleMemory: true, figureFlood: true, figureFloodRate: true,
	}
	for _, m := range s.Report.Measures {
		if positive[m.Figure] && m.Median() <= 0 {
			t.Errorf("%s of %s is %v", m.Figure, m.Transport, m.Median())
		}
	}
	for _, n := range s.Report.Notes {
		t.Error(n)
	}
}

// TestFineRamp: the rounds start below what the coarse ramp found, and add up.
func TestFineRamp(t *testing.T) {
	scale := tiny()
	scale.Rounds, scale.RampFine, scale.RampMost = 2, 1.5, 2
	s := Suite{Scale: scale}
	if err := s.Run(t.Context(), []string{"capacity"}); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Report.Measures {
		if len(m.Rounds) != scale.Rounds {
			t.Errorf("%s of %s has %d rounds, want %d", m.Figure, m.Transport, len(m.Rounds), scale.Rounds)
		}
	}
}
