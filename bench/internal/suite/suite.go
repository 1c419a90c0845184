// SPDX-License-Identifier: GPL-3.0-or-later

// Package suite measures transports beside each other over the loopback interface, each role in a process
// of its own, their rounds interleaved so that what disturbs the machine disturbs all of them.
package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"p2plive/bench/internal/report"
)

// Suite runs benchmarks.
type Suite struct {
	Scale    Scale
	Only     []string // transports; empty: all
	Progress Progress
	Report   report.Report
	failed   int // rounds
}

type benchmark struct {
	name string
	run  func(*Suite, context.Context) error
}

var benchmarks = []benchmark{
	{"bulk", (*Suite).bulk},
	{"capacity", (*Suite).capacity},
	{"idle", (*Suite).idle},
	{"flood", (*Suite).flood},
}

// Names are the benchmarks.
func Names() []string {
	var names []string
	for _, b := range benchmarks {
		names = append(names, b.name)
	}
	return names
}

// ErrRounds is returned by Run when some rounds failed: the report is complete but for them, and notes them.
var ErrRounds = errors.New("some rounds failed")

// Run runs the named benchmarks, or all, and compares what they measured with the goals.
func (s *Suite) Run(ctx context.Context, names []string) error {
	before := readBusy()
	for _, b := range benchmarks {
		if len(names) > 0 && !slices.Contains(names, b.name) {
			continue
		}
		if err := b.run(s, ctx); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	s.Report.Machine = report.ThisMachine()
	s.Report.Seconds, s.Report.Machine.Others = before.since(readBusy())
	s.Report.Compare(goals)
	if s.failed > 0 {
		return fmt.Errorf("%w: %d", ErrRounds, s.failed)
	}
	return nil
}

// round notes the failure of a round, so that minutes of others are not lost with it. It fails itself only
// when the suite is to end.
func (s *Suite) round(ctx context.Context, what string, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	s.failed++
	s.Report.Notes = append(s.Report.Notes, fmt.Sprintf("%s failed: %v", what, err))
	return nil
}

// Figures' names, as they stand in the table.
const (
	figureBulk       = "bulk, CPU of both sides"
	figureThroughput = "bulk, goodput"
	figureAllocs     = "bulk, allocations of both sides"
	figureCapacity   = "2.5 Mbit/s sessions that one core sends"
	figureSender     = "CPU of their sender"
	figureReceivers  = "CPU of their receivers"
	figureOverload   = "delivered at 1.3 times that, of capacity"
	figureIdleCPU    = "idle sessions, CPU of the host"
	figureIdleMemory = "idle session, memory of the host"
	figureIdleRoutes = "idle session, goroutines of the host"
	figureFlood      = "goodput kept under a handshake flood"
	figureFloodRate  = "flood"
	figureFloodCPU   = "flood, CPU of the host"
	figureFloodRSS   = "flood, growth of the host's memory"
)

const (
	http = "http"
	kcp  = "kcp-go"
	quic = "quic-go"
	tls  = "tls"
)

var goals = []report.Goal{
	{Figure: figureBulk, Peer: quic, Must: new(0.50), Moonshot: new(0.30)},
	{Figure: figureBulk, Peer: kcp, Must: new(0.35), Moonshot: new(0.18)},
	{Figure: figureBulk, Peer: tls, Must: new(1.5), Moonshot: new(1.0)},
	{Figure: figureAllocs, Must: new(300.0), Moonshot: new(60.0)},
	{Figure: figureCapacity, Peer: kcp, Must: new(1.75), Moonshot: new(2.5), More: true},
	{Figure: figureCapacity, Peer: quic, Must: new(1.75), Moonshot: new(2.5), More: true},
	{Figure: figureCapacity, Peer: http, Moonshot: new(1.0), More: true},
	{Figure: figureOverload, Must: new(0.7), Moonshot: new(0.95), More: true},
	{Figure: figureIdleCPU, Peer: kcp, Must: new(0.2), Moonshot: new(0.06)},
	{Figure: figureIdleMemory, Must: new(64.0), Moonshot: new(20.0)},
	{Figure: figureIdleRoutes, Must: new(0.0)},
	{Figure: figureFlood, Must: new(0.80), Moonshot: new(0.95), More: true},
}

// transports are those of a benchmark's that are to be measured, in the order of its rounds.
func (s *Suite) transports(all ...string) []string {
	if len(s.Only) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(s.Only, name) })
}

// pause waits; measuring is the one thing here that takes a time by itself.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
