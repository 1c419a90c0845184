// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"p2plive/internal/swarm/sim"
)

// benchCmd is the group of the measurements.
type benchCmd struct {
	Swarm benchSwarmCmd `cmd:"" help:"Run a swarm of real viewers in this process, in real or virtual time."`
	Sim   benchSimCmd   `cmd:"" help:"Simulate a swarm of thousands of viewers."`
	Nat   benchNatCmd   `cmd:"" help:"Simulate hole punching between all kinds of NATs."`
	Rudp  benchRudpCmd  `cmd:"" help:"Measure the sessions beside TLS on this machine."`
}

func (benchCmd) Help() string {
	return `Examples:

    p2plive bench swarm
    p2plive bench sim churn --peers 1000
    p2plive bench rudp`
}

type benchSimCmd struct {
	Scenario string        `arg:"" help:"Name of the scenario: ${scenarios}; or a file that ends in .yaml." placeholder:"SCENARIO"`
	Peers    int           `help:"Viewers at the start; 0 takes the scenario's." default:"0"`
	Seed     uint64        `help:"Where all chance is taken from; 0 takes the scenario's." default:"0"`
	Duration time.Duration `help:"Length of the stream, warm-up included; 0 takes the scenario's." default:"0"`
	Compare  bool          `help:"Run it again with P2P off and an edge without limits."`
	Plot     string        `help:"Draw lag and offload into an SVG file." placeholder:"FILE" type:"path"`
	JSON     bool          `name:"json" help:"Print one JSON object for each run, and nothing else."`
}

func (benchSimCmd) Help() string {
	return `The program's own swarm logic runs for each viewer in virtual time, over a modelled network. The same seed gives the same result, bit for bit. Lag is the time from the cut of a piece until a viewer has it; the bound is what no way of distribution can beat with these uplinks.

Examples:

    p2plive bench sim static --peers 10000
    p2plive bench sim churn --compare --plot churn.svg
    p2plive bench sim flash --seed 7 --json`
}

// Validate is called by kong.
func (c *benchSimCmd) Validate() error {
	if c.Peers < 0 {
		return fmt.Errorf("--peers must not be negative, but is %d", c.Peers)
	}
	return checkDuration(c.Duration)
}

// Run simulates the scenario and prints what it came to.
func (c *benchSimCmd) Run(ctx context.Context, w *world) error {
	sc, err := c.scenario()
	if err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(simMostGarbage))
	var results []*sim.Result
	for _, off := range []bool{false, true} {
		if off && !c.Compare {
			continue
		}
		r, err := sim.Run(sc, sim.Options{Off: off, Progress: simProgress(ctx, w.stderr, sc)})
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	if c.Plot != "" {
		if err := writePlot(c.Plot, results); err != nil {
			return err
		}
	}
	for _, r := range results {
		if c.JSON {
			err = printJSON(w.stdout, r)
		} else {
			_, err = io.WriteString(w.stdout, r.Table())
		}
		if err != nil {
			return err
		}
	}
	if c.Compare && !c.JSON {
		_, err = io.WriteString(w.stdout, sim.Verdict(results[0], results[1]))
	}
	return err
}

func (c *benchSimCmd) scenario() (sim.Scenario, error) {
	sc, err := loadScenario(c.Scenario)
	if err != nil {
		return sc, &codedError{exitUsage, err}
	}
	if c.Peers > 0 {
		sc = sc.Resize(c.Peers)
	}
	if c.Seed > 0 {
		sc.Seed = c.Seed
	}
	if c.Duration > 0 {
		sc.Duration = c.Duration
	}
	if err := sc.Validate(); err != nil {
		return sc, usageErrorf("%s: %w", c.Scenario, err)
	}
	return sc, nil
}

func loadScenario(name string) (sim.Scenario, error) {
	if !strings.HasSuffix(name, ".yaml") {
		return sim.Load(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return sim.Scenario{}, err
	}
	return sim.Parse(name, text)
}

// Nearly all that a run takes is alive until its end. Of what is garbage, the
// more may wait the less is alive: so small runs collect seldom, and large ones
// stay within simMemory while that is possible.
const (
	simMemory       = 3584 << 20 // bytes; stacks and what the runtime needs come to it
	simLeastGarbage = 15         // percent of what is alive
	simMostGarbage  = 300
)

// simGarbage returns how much garbage may wait, in percent of what is alive.
func simGarbage(alive int64) int {
	return int(min(max((simMemory-alive)*100/max(alive, 1), simLeastGarbage), simMostGarbage))
}

// liveHeap returns how many bytes were alive when garbage was last collected.
func liveHeap() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// simProgress draws a bar on a terminal, and nothing anywhere else. It ends the
// run when ctx does. Each second it looks how much garbage may wait.
func simProgress(ctx context.Context, out io.Writer, sc sim.Scenario) func(time.Duration, sim.Second) error {
	const width = 30
	terminal := isTerminal(out)
	return func(at time.Duration, s sim.Second) error {
		debug.SetGCPercent(simGarbage(liveHeap()))
		if terminal {
			done := int(width * at / sc.Duration)
			fmt.Fprintf(out, "\r%s%s %3d%% %6d viewers, lag p99 %4d ms, offload %.3f"+eraseLine,
				strings.Repeat("=", done), strings.Repeat(".", width-done), 100*at/sc.Duration, s.Viewers, s.LagP99, s.Offload)
			if at+time.Second > sc.Duration {
				fmt.Fprint(out, "\r"+eraseLine)
			}
		}
		return context.Cause(ctx)
	}
}

func writePlot(name string, results []*sim.Result) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return sim.Plot(f, results)
}
