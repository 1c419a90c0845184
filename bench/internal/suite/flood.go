// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"context"
	"errors"
	"time"

	"p2plive/bench/internal/agent"
	"p2plive/bench/internal/report"
)

// floodedRate is what the running session carries, in bit/s: enough that its datagrams compete with the
// flood's in the host's socket, little enough that two cores also have time for the flood's sender.
const floodedRate = 100e6

// flood runs a session to a host, then the same under a flood of initiations to that host.
func (s *Suite) flood(ctx context.Context) error {
	for round := range s.Scale.Rounds {
		s.Progress.step("flood, round %d of %d", round+1, s.Scale.Rounds)
		if err := s.round(ctx, "flood", s.floodRound(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Suite) floodRound(ctx context.Context) error {
	p, err := startPair(ctx, report.Ours, place{}, place{})
	if err != nil {
		return err
	}
	defer p.close()
	attacker, err := start(place{})
	if err != nil {
		return err
	}
	defer attacker.close()
	if err := p.connect(ctx, 1); err != nil {
		return err
	}
	// The guest sends: the datagrams of the session and of the flood come by the same socket.
	if err := p.host.do(ctx, "Receive", sessionMessage, nil); err != nil {
		return err
	}
	if err := p.guests.do(ctx, "Send", agent.Traffic{Message: sessionMessage, Rate: floodedRate}, nil); err != nil {
		return err
	}
	quiet, err := s.floodWindow(ctx, p)
	if err != nil {
		return err
	}
	target := agent.Target{Host: p.at, Genuine: s.Scale.FloodGenuine}
	if err := attacker.do(ctx, "Prepare", target, nil); err != nil {
		return err
	}
	flood := make(chan error, 1)
	var sent agent.Flooded
	go func() {
		flood <- attacker.do(ctx, "Flood", agent.Flood{
			Rate: s.Scale.FloodRate, Duration: s.Scale.FloodSettle + s.Scale.Flood + s.Scale.FloodSettle,
		}, &sent)
	}()
	flooded, err := s.floodWindow(ctx, p)
	if floodErr := <-flood; err == nil {
		err = floodErr
	}
	if err != nil {
		return err
	}
	if quiet.Bytes == 0 {
		return errors.New("nothing came")
	}
	s.Report.Add(figureFlood, p.name, "share", rate(flooded)/rate(quiet))
	s.Report.Add(figureFloodRate, p.name, "datagrams/s", float64(sent.Sent)/sent.Took.Seconds())
	s.Report.Add(figureFloodCPU, p.name, "cores", flooded.CPU.Seconds()/flooded.At.Seconds())
	s.Report.Add(figureFloodRSS, p.name, "MiB", (float64(flooded.RSS)-float64(quiet.RSS))/(1<<20))
	return nil
}

func (s *Suite) floodWindow(ctx context.Context, p *pair) (agent.Sample, error) {
	if err := pause(ctx, s.Scale.FloodSettle); err != nil {
		return agent.Sample{}, err
	}
	host, _, err := p.measure(ctx, s.Scale.Flood)
	return host, err
}

func rate(s agent.Sample) float64 { return float64(s.Bytes) / max(s.At, time.Nanosecond).Seconds() }
