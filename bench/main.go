// SPDX-License-Identifier: GPL-3.0-or-later

// Bench measures libnet/rudp beside other transports on one machine: what docs/performance.md says. It needs
// Linux. `make bench-rudp` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"p2plive/bench/internal/suite"
	"p2plive/bench/internal/transport"
)

func main() {
	if suite.RunAgent() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes, those of p2plive.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// What the benchmarks take on two cores, and what bounds them.
const (
	aboutFull  = 16 * time.Minute
	aboutQuick = time.Minute
	limit      = 30 * time.Minute
)

type options struct {
	quick, json, markdown bool
	only, with            string
	rounds                int
	limit                 time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitUsage
	}
	s := o.suite(stderr)
	s.Report.Command = strings.Join(append([]string{"make bench-rudp"}, command(args)...), " ")
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done after %v: raise -limit", o.limit))
	defer cancel()
	err = s.Run(ctx, list(o.only))
	s.Progress.Done()
	if err == nil || errors.Is(err, suite.ErrRounds) {
		err = errors.Join(err, o.print(s, stdout))
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	return exitDone
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.quick, "quick", false, "about a minute instead of a quarter of an hour: for a look, not for the table")
	f.BoolVar(&o.json, "json", false, "print one JSON object, with every round")
	f.BoolVar(&o.markdown, "markdown", false, "print the tables for docs/performance.md")
	f.StringVar(&o.only, "only", "", "run only these, with commas between: "+strings.Join(suite.Names(), ", "))
	f.StringVar(&o.with, "with", "", "measure only these transports: "+strings.Join(transport.Names(), ", "))
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each benchmark (default 5, with -quick 2)")
	f.DurationVar(&o.limit, "limit", limit, "give up after this time")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < 0 {
		return o, errors.New("-rounds must not be negative")
	}
	return o, errors.Join(known("-only", o.only, suite.Names()), known("-with", o.with, transport.Names()))
}

// known checks a list that is given with commas between.
func known(option, given string, names []string) error {
	for _, name := range list(given) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s: no %q, there are %s", option, name, strings.Join(names, ", "))
		}
	}
	return nil
}

func list(given string) []string {
	if given == "" {
		return nil
	}
	return strings.Split(given, ",")
}

func (o options) suite(stderr io.Writer) *suite.Suite {
	s := &suite.Suite{Scale: suite.Full(), Only: list(o.with)}
	s.Progress = suite.Progress{W: stderr, Live: terminal(stderr), About: aboutFull}
	if o.quick {
		s.Scale, s.Progress.About = suite.Quick(), aboutQuick
	}
	if o.rounds > 0 {
		s.Scale.Rounds = o.rounds
	}
	return s
}

func (o options) print(s *suite.Suite, stdout io.Writer) error {
	switch {
	case o.json:
		return s.Report.JSON(stdout)
	case o.markdown:
		return s.Report.Markdown(stdout)
	}
	return s.Report.Text(stdout)
}

// command is how make takes the arguments.
func command(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	return []string{"BENCH='" + strings.Join(args, " ") + "'"}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
