// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"context"
	"fmt"

	"p2plive/bench/internal/report"
)

// idle counts what sessions without traffic cost their host. Each has carried a message before.
func (s *Suite) idle(ctx context.Context) error {
	for round := range s.Scale.Rounds {
		for _, name := range s.transports(report.Ours, kcp, quic) {
			s.Progress.step("idle, round %d of %d: %s", round+1, s.Scale.Rounds, name)
			if err := s.round(ctx, "idle of "+name, s.idleRound(ctx, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Suite) idleRound(ctx context.Context, name string) error {
	p, err := startPair(ctx, name, place{}, place{})
	if err != nil {
		return err
	}
	defer p.close()
	// The first session also brings what the host needs once.
	if err := p.connect(ctx, 1); err != nil {
		return err
	}
	before, err := p.host.sample(ctx, true)
	if err != nil {
		return err
	}
	if err := p.connect(ctx, 1+s.Scale.IdleSessions); err != nil {
		return err
	}
	if err := pause(ctx, s.Scale.IdleSettle); err != nil {
		return err
	}
	after, err := p.host.sample(ctx, true)
	if err != nil {
		return err
	}
	host, _, err := p.measure(ctx, s.Scale.Idle)
	if err != nil {
		return err
	}
	const kibi, percent = 1024, 100
	n := float64(s.Scale.IdleSessions)
	s.Report.Add(figureIdleCPU, name, fmt.Sprintf("%% of a core for %d", s.Scale.IdleSessions),
		percent*host.CPU.Seconds()/host.At.Seconds())
	s.Report.Add(figureIdleMemory, name, "KiB", (float64(after.Heap)-float64(before.Heap))/kibi/n)
	s.Report.Add(figureIdleRoutes, name, "per session", float64(after.Goroutines-before.Goroutines)/n)
	return nil
}
