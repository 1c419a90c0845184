// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/internal/demo"
	"p2plive/internal/demo/vnet"
)

const (
	// benchRate is the stream's rate where no scenario says another: that of
	// a good picture of 720 lines.
	benchRate = 2_500_000
	// benchViewers is what two cores carry in real time.
	benchViewers = 50
	// maxBenchViewers bounds a run in real time, maxSimnetViewers one in
	// virtual time: each viewer takes some 10 MB.
	maxBenchViewers  = 500
	maxSimnetViewers = 1000
)

type benchSwarmCmd struct {
	Viewers  int           `help:"How many viewers to run; 0 takes the scenario's, or 50." default:"0"`
	Duration time.Duration `help:"Length of the stream." default:"60s"`
	Simnet   string        `help:"Run in virtual time over a simulated network: ${simnets}." placeholder:"SCENARIO"`
	Seed     uint64        `help:"Where the simulated network takes its losses from." default:"1"`
	JSON     bool          `name:"json" help:"Print one JSON object with the results at the end, and nothing else."`
}

func (benchSwarmCmd) Help() string {
	return `Tracker, edge, source and viewers run in this one process with real sessions: over UDP sockets on 127.0.0.1, or with --simnet over a simulated network whose lines have delay, loss and rates. The stream is the built-in clip, filled up to 2.5 Mbit/s or to the scenario's rate.

In virtual time a run takes as long as its work does, however busy the machine is; CPU time is real in both. Some scenarios warm up first: the time is below zero until it counts.

Examples:

    p2plive bench swarm
    p2plive bench swarm --viewers 20 --duration 30s --json
    p2plive bench swarm --simnet home`
}

// Validate is called by kong.
func (c *benchSwarmCmd) Validate() error {
	most := maxBenchViewers
	if c.Simnet != "" {
		most = maxSimnetViewers
	}
	if c.Viewers < 0 || c.Viewers > most {
		return fmt.Errorf("--viewers must be from 1 to %d, not %d", most, c.Viewers)
	}
	if c.Duration == 0 {
		return fmt.Errorf("--duration must not be 0")
	}
	return checkDuration(c.Duration)
}

// Run runs the swarm and prints what it came to.
func (c *benchSwarmCmd) Run(ctx context.Context, w *world) error {
	run := c.runHere
	if c.Simnet != "" {
		run = c.runSimnet
	}
	result, err := run(ctx, w)
	if err != nil {
		return err
	}
	if c.JSON {
		result.Final = true
		return printJSON(w.stdout, result)
	}
	_, err = io.WriteString(w.stdout, result.Table())
	return err
}

// runHere runs in real time over the loopback interface.
func (c *benchSwarmCmd) runHere(ctx context.Context, w *world) (demo.Result, error) {
	viewers := c.Viewers
	if viewers == 0 {
		viewers = benchViewers
	}
	d, err := demo.New(demo.Config{Viewers: viewers, ClipRate: benchRate, Logger: quieter(w.log)})
	if err != nil {
		return demo.Result{}, err
	}
	timed, cancel := withDuration(ctx, c.Duration)
	defer cancel()
	group, running := errgroup.WithContext(timed)
	group.Go(func() error { return d.Serve(running) })
	group.Go(func() error {
		start, ticker := time.Now(), time.NewTicker(time.Second)
		defer ticker.Stop()
		report := c.progress(w.stderr)
		for {
			select {
			case <-running.Done():
				return nil
			case now := <-ticker.C:
				report(now.Sub(start), d.Result())
			}
		}
	})
	err = group.Wait()
	if err != nil && isCancellation(timed, err) {
		err = nil
	}
	return d.Result(), err
}

// runSimnet runs in virtual time over a simulated network.
func (c *benchSwarmCmd) runSimnet(ctx context.Context, w *world) (demo.Result, error) {
	sc, err := vnet.Load(c.Simnet)
	if err != nil {
		return demo.Result{}, &codedError{exitUsage, err}
	}
	report := c.progress(w.stderr)
	return vnet.Run(ctx, vnet.Config{
		Scenario: sc, Viewers: c.Viewers, Duration: c.Duration, Seed: c.Seed, Logger: quieter(w.log),
		Progress: func(at time.Duration, so demo.Result) error { report(at, so); return nil },
	})
}

// progress returns what shows each second how far a run is: in place on a
// terminal, else a line. With --json nothing but a terminal is told.
func (c *benchSwarmCmd) progress(out io.Writer) func(at time.Duration, so demo.Result) {
	const width = 30
	terminal := isTerminal(out)
	return func(at time.Duration, so demo.Result) {
		at = at.Round(time.Second)
		text := fmt.Sprintf("%v: offload %.3f, latency p95 %d ms, missed %d, stalls %d",
			at, so.Offload, so.LatencyMS.P95, so.FragmentsMissed, so.Stalls)
		switch {
		case terminal:
			done := int(width * min(max(at, 0), c.Duration) / c.Duration)
			fmt.Fprintf(out, "\r%s%s %s"+eraseLine, strings.Repeat("=", done), strings.Repeat(".", width-done), text)
			if at+time.Second > c.Duration {
				fmt.Fprint(out, "\r"+eraseLine)
			}
		case !c.JSON:
			fmt.Fprintln(out, text)
		}
	}
}
