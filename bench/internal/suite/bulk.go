// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"context"
	"errors"

	"p2plive/bench/internal/agent"
	"p2plive/bench/internal/report"
)

// bulk sends on one session as fast as it goes, and counts what both processes spend on it.
func (s *Suite) bulk(ctx context.Context) error {
	for round := range s.Scale.Rounds {
		for _, name := range s.transports(report.Ours, quic, kcp, tls) {
			s.Progress.step("bulk, round %d of %d: %s", round+1, s.Scale.Rounds, name)
			if err := s.round(ctx, "bulk of "+name, s.bulkRound(ctx, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Suite) bulkRound(ctx context.Context, name string) error {
	p, err := startPair(ctx, name, place{}, place{})
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.grow(ctx, 1, agent.Traffic{Message: s.Scale.BulkMessage}); err != nil {
		return err
	}
	if err := pause(ctx, s.Scale.BulkWarmup); err != nil {
		return err
	}
	host, guest, err := p.measure(ctx, s.Scale.Bulk)
	if err != nil {
		return err
	}
	if guest.Bytes == 0 {
		return errors.New("nothing came")
	}
	const mega, giga = 1e6, 1e9
	bytes := float64(guest.Bytes)
	s.Report.Add(figureBulk, name, "s/GB", (host.CPU+guest.CPU).Seconds()/(bytes/giga))
	s.Report.Add(figureThroughput, name, "MB/s", bytes/mega/guest.At.Seconds())
	s.Report.Add(figureAllocs, name, "per MB", float64(host.Mallocs+guest.Mallocs)/(bytes/mega))
	return nil
}
