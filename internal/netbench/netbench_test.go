// SPDX-License-Identifier: GPL-3.0-or-later

package netbench

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	var seen []string
	results, err := Run(t.Context(), Config{
		Duration: 20 * time.Millisecond,
		Rounds:   2,
		Progress: func(transport string, _ int) { seen = append(seen, transport) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].Transport != "rudp" || results[1].Transport != "tls" || len(seen) != 4 {
		t.Fatalf("%+v after %v", results, seen)
	}
	for _, r := range results {
		if r.Goodput <= 0 || r.CPU < 0 || r.RoundTrip <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{Duration: time.Hour, Rounds: 1}); err == nil {
		t.Error("it ran although its context had ended")
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	if _, err := Run(ctx, Config{Duration: time.Hour, Rounds: 2, Progress: func(_ string, round int) {
		time.AfterFunc(10*time.Millisecond, cancel)
	}}); err == nil {
		t.Error("it ran to its end")
	}
}
