// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"p2plive/libnet/nat/natsim"
)

type benchNatCmd struct {
	Seeds int  `help:"Runs of each pair." default:"20"`
	JSON  bool `name:"json" help:"Print one JSON object for each pair, and nothing else."`
}

func (benchNatCmd) Help() string {
	return `The program's own hole punching runs for all ordered pairs of NATs in virtual time, over a modelled network: a round trip time of 40 ms, 1% loss, and a neighbour behind each NAT who takes a port twice a second. The time is from the wish to connect until the session's first answer; where no direct path can exist, until that is known and the edge takes over. The same seeds give the same table.

Examples:

    p2plive bench nat
    p2plive bench nat --seeds 200 --json`
}

// Validate is called by kong.
func (c *benchNatCmd) Validate() error {
	if c.Seeds < 1 || c.Seeds > maxSeeds {
		return fmt.Errorf("--seeds must be 1 to %d, but is %d", maxSeeds, c.Seeds)
	}
	return nil
}

// Run runs the matrix and prints it.
func (c *benchNatCmd) Run(ctx context.Context, w *world) error {
	terminal := isTerminal(w.stderr)
	rows, err := natsim.Matrix(c.Seeds, func(done, all int) error {
		if terminal {
			fmt.Fprintf(w.stderr, "\r%d of %d pairs"+eraseLine, done, all)
		}
		return context.Cause(ctx)
	})
	if terminal {
		fmt.Fprint(w.stderr, "\r"+eraseLine)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		for _, row := range rows {
			if err := printJSON(w.stdout, row); err != nil {
				return err
			}
		}
		return nil
	}
	return printMatrix(w.stdout, rows)
}

func printMatrix(out io.Writer, rows []natsim.Row) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "asker\tother\tdirect\tp50 ms\tp95 ms\tpath\tmethod\tprobes\tif not")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%d/%d\t%.0f\t%.0f\t%s\t%s\t%d\t%s\n",
			r.Asker, r.Other, r.OK, r.Runs, r.P50MS, r.P95MS, r.Path, r.Method, r.Probes, r.Reason)
	}
	return table.Flush()
}
