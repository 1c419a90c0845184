// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"p2plive/internal/demo"
)

func TestBenchSwarm(t *testing.T) {
	for _, where := range []string{"", "lan", "home"} {
		t.Run("simnet="+where, func(t *testing.T) {
			args := []string{"bench", "swarm", "--viewers", "3", "--duration", "3s"}
			if where != "" {
				args = append(args, "--simnet", where)
			}
			stdout, stderr, code := run(t.Context(), append(args, "--json")...)
			if code != exitDone || stderr != "" {
				t.Fatalf("exit code %d, stderr %q", code, stderr)
			}
			var r demo.Result
			if err := json.Unmarshal([]byte(stdout), &r); err != nil {
				t.Fatalf("%v: %s", err, stdout)
			}
			if !r.Final || r.Viewers != 3 || r.FragmentsPlayed == 0 || r.RSSBytes == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// People see how far it is and get a table.
func TestBenchSwarmForPeople(t *testing.T) {
	stdout, stderr, code := run(t.Context(), "bench", "swarm", "--simnet", "lan", "--viewers", "1", "--duration", "2s")
	if code != exitDone {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	for _, want := range []string{"viewers", "offload", "latency", "stalls", "CPU", "memory"} {
		if !strings.Contains(stdout, "\n"+want+" ") && !strings.HasPrefix(stdout, want+" ") {
			t.Errorf("no %s in:\n%s", want, stdout)
		}
	}
	if lines := strings.Count(stderr, "\n"); lines != 2 || !strings.HasPrefix(stderr, "1s: offload") {
		t.Errorf("progress: %q", stderr)
	}
}

func TestBenchSwarmBadUsage(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"too many here":    {[]string{"--viewers", "501"}, "--viewers must be from 1 to 500, not 501"},
		"too many virtual": {[]string{"--viewers", "1001", "--simnet", "home"}, "--viewers must be from 1 to 1000, not 1001"},
		"no time":          {[]string{"--duration", "0"}, "--duration must not be 0"},
		"scenario":         {[]string{"--simnet", "moon"}, "home, lan, static"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := run(t.Context(), append([]string{"bench", "swarm"}, tt.args...)...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			checkLine(t, stderr, tt.want)
		})
	}
}
