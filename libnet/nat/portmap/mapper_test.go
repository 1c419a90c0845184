// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	public  = netip.MustParseAddrPort("203.0.113.7:7100")
	another = netip.MustParseAddrPort("203.0.113.7:4242")
)

// script is a protocol whose answers are given.
type script struct {
	answers []answer // the last one stays
	asked   []time.Time
	removed int
}

type answer struct {
	mapping
	err error
}

func (*script) Name() string { return "script" }

func (s *script) Map(context.Context, uint16) (mapping, error) {
	s.asked = append(s.asked, time.Now())
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return a.mapping, a.err
}

func (s *script) Unmap(context.Context) error { s.removed++; return nil }

// run lets a Mapper work for some virtual time, and gives the addresses that it told of.
func run(t *testing.T, d time.Duration, list ...protocol) (m *Mapper, told []netip.AddrPort, while error) {
	t.Helper()
	m = New(Config{Port: 7100, Logger: slog.New(slog.DiscardHandler), Changed: func(a netip.AddrPort) { told = append(told, a) }})
	m.cfg.protocols = func() []protocol { return list }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	time.Sleep(d)
	_, while = m.Public()
	cancel()
	<-done
	return m, told, while
}

func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hour := mapping{public, time.Hour}
		p := &script{answers: []answer{{mapping: hour}, {mapping: mapping{public, 10 * time.Second}}, {mapping: mapping{another, time.Hour}}}}
		begin := time.Now()
		_, told, err := run(t, 50*time.Minute, p)
		if err != nil || !slices.Equal(told, []netip.AddrPort{public, another}) {
			t.Errorf("told of %v, %v", told, err)
		}
		var at []time.Duration
		for _, a := range p.asked {
			at = append(at, a.Sub(begin))
		}
		// After half of the lifetime, which is taken for two minutes at least.
		if !slices.Equal(at, []time.Duration{0, 30 * time.Minute, 31 * time.Minute}) {
			t.Errorf("asked at %v", at)
		}
		if p.removed != 1 {
			t.Errorf("removed %d times", p.removed)
		}
	})
}

func TestRouterThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := answer{mapping: mapping{public, time.Hour}}
		bad := answer{err: errSilent}
		p := &script{answers: []answer{good, bad, bad, good}} // the renewal fails, and then the search
		_, told, err := run(t, 40*time.Minute, p)
		if err != nil || !slices.Equal(told, []netip.AddrPort{public, {}, public}) {
			t.Errorf("told of %v, %v", told, err)
		}
	})
}

func TestNoMapping(t *testing.T) {
	refused := answer{err: ErrRefused}
	for name, tt := range map[string]struct {
		answers [2]answer
		want    error
		removed int
	}{
		"no router":           {[2]answer{{err: errSilent}, {err: errSilent}}, ErrNoRouter, 0},
		"a refusal":           {[2]answer{{err: errSilent}, refused}, ErrRefused, 0},
		"a private address":   {[2]answer{{mapping: mapping{netip.MustParseAddrPort("10.0.0.3:7100"), time.Hour}}, {err: errSilent}}, ErrNested, 1},
		"a carrier's address": {[2]answer{{mapping: mapping{netip.MustParseAddrPort("100.64.0.3:7100"), time.Hour}}, {err: errSilent}}, ErrNested, 1},
		"no address":          {[2]answer{{mapping: mapping{netip.AddrPort{}, time.Hour}}, {err: errSilent}}, ErrRefused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := &script{answers: tt.answers[:1]}, &script{answers: tt.answers[1:]}
				_, told, err := run(t, time.Second, first, second)
				if !errors.Is(err, tt.want) || len(told) != 0 {
					t.Errorf("told of %v: %v", told, err)
				}
				if first.removed != tt.removed {
					t.Errorf("removed %d times", first.removed)
				}
			})
		})
	}
}

// A router that is not there is asked ever more rarely.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{answers: []answer{{err: errSilent}}}
		run(t, 10*time.Hour, p)
		if n := len(p.asked); n < 20 || n > 30 {
			t.Errorf("asked %d times in ten hours", n)
		}
	})
}

// The second protocol is asked where the first is not spoken.
func TestSecondProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &script{answers: []answer{{err: errors.New("not spoken")}}}
		second := &script{answers: []answer{{mapping: mapping{public, time.Hour}}}}
		_, told, err := run(t, 35*time.Minute, first, second)
		if err != nil || !slices.Equal(told, []netip.AddrPort{public}) || len(first.asked) != 1 || len(second.asked) != 2 {
			t.Errorf("told of %v, %v, asked %d and %d times", told, err, len(first.asked), len(second.asked))
		}
	})
}
