// SPDX-License-Identifier: GPL-3.0-or-later

package vnet

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/internal/demo"
	"p2plive/internal/live"
)

// Config of a run.
type Config struct {
	Scenario Scenario
	Viewers  int           // 0: the scenario's
	Duration time.Duration // of virtual time, after the scenario's warm-up
	Seed     uint64        // of the network's losses and lines
	// Progress is called each second of virtual time, counted from the end of
	// the warm-up. An error ends the run.
	Progress func(at time.Duration, so demo.Result) error
	Logger   *slog.Logger
}

// Run runs a demo in virtual time. It returns when that is over or ctx ends.
func Run(ctx context.Context, cfg Config) (demo.Result, error) {
	if cfg.Viewers == 0 {
		cfg.Viewers = cfg.Scenario.Viewers
	}
	var result demo.Result
	var err error
	virtually(func() { result, err = run(ctx, cfg) })
	return result, err
}

// virtually runs f and all goroutines that it starts in virtual time: the
// clock moves when all of them wait, to when the first of them goes on.
//
// The runtime offers that by testing/synctest only, which asks for a test. It
// does nothing with it but report its failures and clean up after it, and
// nothing here fails or leaves something to clean up: a new one serves.
func virtually(f func()) {
	synctest.Test(new(testing.T), func(*testing.T) { f() })
}

// store keeps far less than viewers do elsewhere, and far more than anything
// here asks for: a thousand viewers are to fit into the memory of one machine.
var store = live.StoreConfig{Span: 6 * time.Second}

// run is Run inside virtual time. It must not wait for ctx, which belongs to
// the time outside.
func run(ctx context.Context, cfg Config) (demo.Result, error) {
	w := newWorld(cfg.Scenario, cfg.Viewers, cfg.Seed)
	defer w.net.Close()
	d, err := demo.New(demo.Config{Viewers: cfg.Viewers, ClipRate: cfg.Scenario.Rate, Hosts: w, Store: store, Logger: cfg.Logger})
	if err != nil {
		return demo.Result{}, err
	}
	inside, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.Serve(inside) }()
	err = watch(ctx, cfg, d, served)
	cancel()
	if err == nil {
		err = <-served
	} else {
		<-served
	}
	return d.Result(), err
}

// watch lets the time pass.
func watch(ctx context.Context, cfg Config, d *demo.Demo, served chan error) error {
	start, marked := time.Now().Add(cfg.Scenario.Warmup), false
	for time.Since(start) < cfg.Duration {
		if !marked && time.Since(start) >= 0 {
			d.Mark()
			marked = true
		}
		select {
		case err := <-served:
			served <- err
			return errors.Join(errors.New("a role has ended early"), err)
		case <-time.After(min(time.Second, cfg.Duration-time.Since(start))):
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if cfg.Progress != nil {
			if err := cfg.Progress(time.Since(start), d.Result()); err != nil {
				return err
			}
		}
	}
	return nil
}
