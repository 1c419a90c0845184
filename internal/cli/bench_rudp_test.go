// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBenchRudp(t *testing.T) {
	stdout, stderr, code := run(t.Context(), "bench", "rudp", "--duration", "20ms", "--rounds", "1", "--json")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var report struct {
		Transports []struct {
			Transport string
			Goodput   float64 `json:"goodput_bytes_per_second"`
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if ts := report.Transports; len(ts) != 2 || ts[0].Transport != "rudp" || ts[0].Goodput <= 0 || ts[1].Goodput <= 0 {
		t.Errorf("printed %s", stdout)
	}

	stdout, stderr, code = run(t.Context(), "bench", "rudp", "--duration", "20ms", "--rounds", "1")
	if code != exitDone || !strings.Contains(stdout, "CPU s/GB") || !strings.Contains(stdout, "merges datagrams") {
		t.Errorf("exit code %d, printed %s%s", code, stdout, stderr)
	}
}

func TestBenchRudpUsage(t *testing.T) {
	for _, args := range []string{"--rounds 0", "--rounds 1001", "--duration 0", "--duration -1s"} {
		if _, stderr, code := run(t.Context(), append([]string{"bench", "rudp"}, strings.Fields(args)...)...); code != exitUsage {
			t.Errorf("%s: exit code %d: %s", args, code, stderr)
		}
	}
}
