// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// small returns a scenario with few viewers, and a shorter run.
func small(t testing.TB, name string, peers int) Scenario {
	t.Helper()
	sc, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	sc.Peers = peers
	return sc
}

func simulate(t testing.TB, sc Scenario, opt Options) *Result {
	t.Helper()
	r, err := Run(sc, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Violations > 0 {
		t.Errorf("%s: %d impossible commands, the first: %s", sc.Name, r.Violations, r.Violation)
	}
	return r
}

// TestScenarios runs each with few viewers: the machine asks for nothing
// impossible, and every result can be printed and drawn.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := small(t, name, 30)
			sc.Duration = sc.Warmup + 8*time.Second
			if sc.Flash != nil {
				sc.Flash.Factor = 3
			}
			r := simulate(t, sc, Options{})
			if !strings.HasPrefix(r.Table(), name+", P2P on: ") {
				t.Errorf("table %q", r.Table())
			}
			if strings.Contains(r.Table(), "before the crowd") != (sc.Flash != nil) {
				t.Errorf("a crowd: %v, table %q", sc.Flash != nil, r.Table())
			}
			var b bytes.Buffer
			if err := Plot(&b, []*Result{r}); err != nil {
				t.Fatal(err)
			}
			for d := xml.NewDecoder(&b); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestOff has an edge without limits: everybody gets everything, as late as
// the way is long.
func TestOff(t *testing.T) {
	t.Parallel()
	r := simulate(t, small(t, "static", 50), Options{Off: true})
	if r.OnTime != 1 || r.Stalls != 0 || r.Offload != 0 || r.LagP50 != 50 || r.LagP99 != 50 || r.FirstMax > 300 {
		t.Errorf("%+v", r)
	}
}

// TestSameSeed runs a scenario with all kinds of chance again, also on other
// numbers of cores.
func TestSameSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64, cores int) string {
		sc := small(t, "churn", 40)
		sc.Duration, sc.Seed, sc.Polluters = sc.Warmup+5*time.Second, seed, 0.05
		b, err := json.Marshal(simulate(t, sc, Options{Cores: cores, share: cores > 1}))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := run(1, 1)
	for _, cores := range []int{1, 2, 5} {
		if run(1, cores) != first {
			t.Errorf("the same seed gives another result on %d cores", cores)
		}
	}
	if run(2, 1) == first {
		t.Error("another seed gives the same result")
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	enough, seconds := errors.New("enough"), 0
	_, err := Run(small(t, "static", 10), Options{Progress: func(time.Duration, Second) error {
		if seconds++; seconds == 3 {
			return enough
		}
		return nil
	}})
	if !errors.Is(err, enough) || seconds != 3 {
		t.Errorf("%v after %d seconds", err, seconds)
	}
}

func TestScenarioErrors(t *testing.T) {
	t.Parallel()
	const good = "peers: 10\nduration: 20s\nstream: {kbit: 1000}\nedges: {count: 1}\nuplinks: [{kbit: 2000, share: 1}]\n"
	if _, err := Parse("good", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"viewers: 10", "warmup: 30s", "loss: 0.9", "faults: [{at: 1s, what: moon}]",
		"nat: [{type: open, share: 0.5}]", "nat: [{type: wide, share: 1}]", "free_riders: -1",
		"latency: {low: 20ms, high: 10ms}", "churn: {per_minute: 0}", "flash: {factor: 1000000}",
	} {
		if _, err := Parse("bad", []byte(good+line+"\n")); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
	if _, err := Load("nothing"); err == nil {
		t.Error("an unknown name: no error")
	}
}
