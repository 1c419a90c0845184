// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"p2plive/internal/netbench"
)

type benchRudpCmd struct {
	Duration time.Duration `help:"Length of one measurement." default:"2s"`
	Rounds   int           `help:"Measurements of each transport, in turns; the medians count." default:"3"`
	JSON     bool          `name:"json" help:"Print one JSON object, and nothing else."`
}

func (benchRudpCmd) Help() string {
	return `The program's sessions and TLS 1.3 over TCP carry messages of 64 KiB as fast as they go, over this machine's loopback interface, both sides in this process; before that, messages of 8 KiB go there and back. The processor time is that of both sides. Other programs disturb it, and disturb both: the ratio says more than the figures. For a table with quic-go, kcp-go and HTTP, with many sessions, idle sessions and a flood of handshakes, run make bench-rudp in the source.

Examples:

    p2plive bench rudp
    p2plive bench rudp --duration 5s --rounds 5 --json`
}

// Validate is called by kong.
func (c *benchRudpCmd) Validate() error {
	if c.Rounds < 1 || c.Rounds > maxRounds {
		return fmt.Errorf("--rounds must be 1 to %d, but is %d", maxRounds, c.Rounds)
	}
	if c.Duration == 0 {
		return fmt.Errorf("--duration must not be 0")
	}
	return checkDuration(c.Duration)
}

// rudpReport is what bench rudp prints as JSON.
type rudpReport struct {
	Transports []netbench.Result `json:"transports"`
	CPURatio   float64           `json:"cpu_ratio"` // of rudp to TLS; zero where the system does not tell
}

// Run measures and prints.
func (c *benchRudpCmd) Run(ctx context.Context, w *world) error {
	cfg := netbench.Config{Duration: c.Duration, Rounds: c.Rounds}
	if isTerminal(w.stderr) {
		cfg.Progress = func(transport string, round int) {
			fmt.Fprintf(w.stderr, "\rround %d of %d: %s"+eraseLine, round+1, c.Rounds, transport)
		}
		defer fmt.Fprint(w.stderr, "\r"+eraseLine)
	}
	results, err := netbench.Run(ctx, cfg)
	if err != nil {
		return err
	}
	report := rudpReport{Transports: results}
	if ours, tls := results[0].CPU, results[1].CPU; tls > 0 {
		report.CPURatio = ours / tls
	}
	if c.JSON {
		return printJSON(w.stdout, report)
	}
	return report.print(w.stdout)
}

func (r *rudpReport) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "transport\tMB/s\tCPU s/GB\t8 KiB there and back, us")
	for _, t := range r.Transports {
		fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.0f\n", t.Transport, t.Goodput/1e6, t.CPU, t.RoundTrip)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.CPURatio > 0 {
		fmt.Fprintf(out, "rudp takes %.2f times the processor time of TLS.\n", r.CPURatio)
	}
	merging := map[bool]string{true: "yes", false: "no"}
	_, err := fmt.Fprintf(out, "The kernel merges datagrams: sent %s, received %s.\n",
		merging[r.Transports[0].GSO], merging[r.Transports[0].GRO])
	return err
}
