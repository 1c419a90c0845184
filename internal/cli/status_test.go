// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"p2plive/internal/peer"
)

func TestStatus(t *testing.T) {
	viewers := []peer.Status{
		{State: "live", BytesFromPeers: 3_000_000, BytesFromEdges: 1_000_000, LatencyMS: peer.Percentiles{P95: 180}},
		{State: "buffering", BytesFromEdges: 2_000, FragmentsMissed: 2, Stalls: 1, LatencyMS: peer.Percentiles{P95: 250}},
	}
	const wantLine = "1m5s: 2 viewers, 3.0 MB from viewers, 1.0 MB from edge (75% from viewers), latency p95 250 ms, missed 2, stalls 1\n"
	if got := statusLine(65*time.Second, viewers); got != wantLine {
		t.Errorf("line %q, want %q", got, wantLine)
	}
	table := statusTable(65*time.Second, viewers)
	if n := strings.Count(table, eraseLine+"\n"); n != 1+len(viewers) || strings.Count(table, "\n") != n {
		t.Errorf("table has %d lines, want %d that clear what stood there:\n%s", n, 1+len(viewers), table)
	}
	for _, want := range []string{"3.0 MB", "75%", "180 ms", "2 kB", "buffering"} {
		if !strings.Contains(table, want) {
			t.Errorf("table lacks %q:\n%s", want, table)
		}
	}
}

func TestStatusOfNobody(t *testing.T) {
	if got := statusLine(0, nil); !strings.HasPrefix(got, "0s: 0 viewers, 0 kB") {
		t.Errorf("line %q", got)
	}
	if isTerminal(&bytes.Buffer{}) {
		t.Error("a buffer passes for a terminal")
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 kB", 999_999: "1000 kB", 1_000_000: "1.0 MB", 2_500_000_000: "2.50 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
