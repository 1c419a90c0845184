// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"p2plive/internal/tracker"
	"p2plive/libnet/nat"
)

// startTracker serves a tracker on the loopback address until the test ends.
func startTracker(t *testing.T, udp string) string {
	t.Helper()
	tr, err := tracker.New(tracker.Config{Listen: "127.0.0.1:0", UDP: udp, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- tr.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + tr.HTTPAddr().String()
}

func TestNAT(t *testing.T) {
	url := startTracker(t, "127.0.0.1:0")
	stdout, stderr, code := run(t.Context(), "nat", "--tracker", url, "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	const half = "endpoint-independent or address-dependent" // the tracker has one address
	for key, want := range map[string]any{
		"type": "open", "mapping": half, "filtering": half, "port_preserving": true, "hairpin": nil, "allocation": "unknown",
	} {
		if value, ok := got[key]; !ok || value != want {
			t.Errorf("%s is %v, want %v", key, value, want)
		}
	}
	if public, _ := got["public"].(string); !strings.HasPrefix(public, "127.0.0.1:") {
		t.Errorf("public is %v", got["public"])
	}

	stdout, stderr, code = run(t.Context(), "nat", "--tracker", url)
	if code != exitDone || stderr != "" || !strings.HasPrefix(stdout, "Open, as seen from this server: ") || !strings.Contains(stdout, "\npublic address ") {
		t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, stderr, stdout)
	}
}

func TestNATFails(t *testing.T) {
	for name, tt := range map[string]struct {
		url  string
		code int
		want string
	}{
		"no tracker":      {"http://127.0.0.1:1", exitUnreachable, "tracker not reachable"},
		"tracker, no UDP": {startTracker(t, tracker.NoUDP), exitFailed, "no UDP port"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := run(t.Context(), "nat", "--tracker", tt.url)
			if code != tt.code || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			checkLine(t, stderr, tt.want)
		})
	}
}

// TestNATReport: what cannot be seen on the loopback interface.
func TestNATReport(t *testing.T) {
	local := netip.MustParseAddrPort("[::]:5000")
	text := func(r natReport) string {
		var out strings.Builder
		if err := r.print(&out); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	blocked := newNATReport(nat.Result{Type: nat.TypeBlocked, Mapping: nat.BehaviourUnknown}, local)
	if got := text(blocked); !strings.HasPrefix(got, "Blocked: ") || strings.Contains(got, "mapping") {
		t.Errorf("printed\n%s", got)
	}
	if got, err := json.Marshal(blocked); err != nil || !strings.Contains(string(got), `"public":"","public_seen":[]`) {
		t.Errorf("%s, %v", got, err)
	}
	r := newNATReport(nat.Result{
		Type: nat.TypeNAT4, Mapping: nat.AddressAndPortDependent, Filtering: nat.AddressAndPortDependent, Hairpin: nat.No,
		Public:     []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:5001"), netip.MustParseAddrPort("203.0.113.1:5003")},
		Allocation: nat.Sequential, Step: 2, PortPreserving: nat.No, RTT: 20 * time.Millisecond,
	}, local)
	r.LifetimeS = &natLifetime{AtLeast: 28, AtMost: 37}
	got := text(r)
	for _, want := range []string{"NAT4 (symmetric)", "203.0.113.1:5001\n", "sequential, by 2\n", "28 to 37 s\n", "20.0 ms\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	r.LifetimeS = &natLifetime{AtLeast: 270}
	if got := text(r); !strings.Contains(got, "more than 270 s\n") {
		t.Errorf("printed\n%s", got)
	}
}
