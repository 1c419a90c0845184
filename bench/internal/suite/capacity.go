// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"p2plive/bench/internal/agent"
	"p2plive/bench/internal/report"
)

const (
	sessionRate    = 2.5e6 // bit/s: a stream of middling quality
	sessionMessage = 8 << 10
	// overload is how many times the capacity is offered after a ramp.
	overload = 1.3
	// approach is where a fine ramp begins, of the capacity that the one before found, and how far the next
	// attempt goes back when that is too much.
	approach = 0.85
	// attempts at a fine ramp.
	attempts = 4
)

var errTooMany = errors.New("the first step was too much")

// capacity looks how many sessions one core can send to until delays grow, then how much it still delivers
// to more than that.
func (s *Suite) capacity(ctx context.Context) error {
	names := s.transports(report.Ours, kcp, quic, http)
	known := make(map[string]int)
	for _, name := range names {
		s.Progress.step("capacity: %s", name)
		keep := s.Scale.RampFine == 1
		n, err := s.ramp(ctx, name, s.Scale.RampStart, s.Scale.RampCoarse, keep)
		if err := s.round(ctx, "capacity of "+name, err); err != nil {
			return err
		}
		known[name] = n
	}
	if s.Scale.RampFine == 1 {
		return nil
	}
	for round := range s.Scale.Rounds {
		for _, name := range names {
			if known[name] == 0 {
				continue
			}
			s.Progress.step("capacity, round %d of %d: %s from %d sessions", round+1, s.Scale.Rounds, name, known[name])
			n, err := s.fineRamp(ctx, name, known[name])
			if err := s.round(ctx, "capacity of "+name, err); err != nil {
				return err
			}
			if n > 0 {
				known[name] = n
			}
		}
	}
	return nil
}

func (s *Suite) fineRamp(ctx context.Context, name string, known int) (int, error) {
	from := float64(known)
	for range attempts {
		from *= approach
		n, err := s.ramp(ctx, name, max(1, int(from)), s.Scale.RampFine, true)
		if !errors.Is(err, errTooMany) {
			return n, err
		}
	}
	return 0, errTooMany
}

// ramp adds sessions by a factor until they are too many, and gives the last number that was not. With keep
// it is a round of the report.
func (s *Suite) ramp(ctx context.Context, name string, from int, factor float64, keep bool) (int, error) {
	sender, receivers := places()
	p, err := startPair(ctx, name, sender, receivers)
	if err != nil {
		return 0, err
	}
	defer p.close()
	good, at := 0, load{}
	for n := from; n <= s.Scale.RampMost; n = max(n+1, int(math.Round(float64(n)*factor))) {
		if err := p.grow(ctx, n, traffic(n)); err != nil {
			if good == 0 || ctx.Err() != nil {
				return 0, err
			}
			s.Report.Notes = append(s.Report.Notes, fmt.Sprintf("%s, ramp to %d sessions: %v", name, n, err))
			break
		}
		ok, step, err := s.rampStep(ctx, p, n)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		good, at = n, step
	}
	if good == 0 {
		return 0, errTooMany
	}
	if !keep {
		return good, nil
	}
	s.Report.Add(figureCapacity, name, "sessions", float64(good))
	s.Report.Add(figureSender, name, "cores", at.sender)
	s.Report.Add(figureReceivers, name, "cores", at.receivers)
	return good, s.overload(ctx, p, good)
}

func traffic(n int) agent.Traffic {
	return agent.Traffic{Message: sessionMessage, Rate: sessionRate, Seed: uint64(n)}
}

// load is how busy the two processes are, in cores.
type load struct{ sender, receivers float64 }

// rampStep tells whether n sessions are not too many. What fails is looked at twice: a moment's disturbance
// ends no ramp.
func (s *Suite) rampStep(ctx context.Context, p *pair, n int) (ok bool, at load, err error) {
	for range 2 {
		if err := pause(ctx, s.Scale.RampSettle); err != nil {
			return false, at, err
		}
		host, guests, err := p.measure(ctx, s.Scale.RampStep)
		lost := host.Lost + guests.Lost
		if err != nil && lost == 0 {
			return false, at, err
		}
		p99 := guests.Delays.Quantile(0.99)
		came := float64(guests.Bytes) / (float64(n) * sessionRate / 8 * guests.At.Seconds())
		at = load{host.CPU.Seconds() / host.At.Seconds(), guests.CPU.Seconds() / guests.At.Seconds()}
		s.Progress.detail("capacity: %s, %d sessions, %.0f%% came, p99 %v", p.name, n, 100*came, p99.Round(time.Millisecond))
		if lost == 0 && p99 < s.Scale.DelayLimit && came >= s.Scale.OnTime {
			return true, at, nil
		}
	}
	return false, at, nil
}

// overload offers more than the capacity and notes what share of the capacity still comes.
func (s *Suite) overload(ctx context.Context, p *pair, capacity int) error {
	n := int(math.Ceil(overload * float64(capacity)))
	if err := p.grow(ctx, n, traffic(n)); err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.Report.Notes = append(s.Report.Notes, fmt.Sprintf("%s, overload of %d sessions: %v", p.name, n, err))
	}
	s.Progress.detail("capacity: %s, %d sessions, which is too many", p.name, n)
	// What waited while the new sessions began, some of which would count as delivered under overload, has come by then.
	if err := pause(ctx, s.Scale.Overload); err != nil {
		return err
	}
	_, guests, err := p.measure(ctx, s.Scale.Overload)
	if err != nil && guests.At == 0 {
		return err
	}
	if err != nil {
		s.Report.Notes = append(s.Report.Notes, fmt.Sprintf("%s, overload of %d sessions: %v", p.name, n, err))
	}
	full := float64(capacity) * sessionRate / 8 * guests.At.Seconds()
	s.Report.Add(figureOverload, p.name, "share", float64(guests.Bytes)/full)
	return nil
}

// places pins the sender to the first CPU that the process may use, and the receivers to the others.
func places() (sender, receivers place) {
	var set unix.CPUSet
	var cpus []int
	if unix.SchedGetaffinity(0, &set) == nil {
		for c := range len(set) * 64 {
			if set.IsSet(c) {
				cpus = append(cpus, c)
			}
		}
	}
	if len(cpus) < 2 {
		return place{procs: 1}, place{procs: runtime.NumCPU()}
	}
	return place{cpus: cpus[:1], procs: 1}, place{cpus: slices.Clone(cpus[1:]), procs: len(cpus) - 1}
}
