// SPDX-License-Identifier: GPL-3.0-or-later

package vnet

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHome(t *testing.T) {
	sc, err := Load("home")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Config{
		Scenario: sc, Viewers: 12, Duration: 20 * time.Second, Seed: 1, Logger: slog.New(slog.DiscardHandler),
		Progress: func(at time.Duration, r demo.Result) error { t.Logf("%v %+v", at, r); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
}
