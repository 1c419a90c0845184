// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"p2plive/internal/peer"
)

// eraseLine is the ANSI sequence that clears the rest of a line.
const eraseLine = "\x1b[K"

// isTerminal reports whether w shows text to a person who can see it change.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// statusTable returns a table with a line for each viewer.
func statusTable(elapsed time.Duration, viewers []peer.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8v %12s %12s %9s %12s %8s %8s"+eraseLine+"\n",
		elapsed, "from viewers", "from edge", "share", "latency p95", "missed", "stalls")
	for i, v := range viewers {
		fmt.Fprintf(&b, "viewer %-2d %11s %12s %8.0f%% %9d ms %8d %8d  %s"+eraseLine+"\n",
			i+1, bytesText(v.BytesFromPeers), bytesText(v.BytesFromEdges), 100*peerShare(v),
			v.LatencyMS.P95, v.FragmentsMissed, v.Stalls, v.State)
	}
	return b.String()
}

// statusLine returns one line for all viewers, for logs and pipes.
func statusLine(elapsed time.Duration, viewers []peer.Status) string {
	var sum peer.Status
	latency := 0
	for _, v := range viewers {
		sum.BytesFromPeers += v.BytesFromPeers
		sum.BytesFromEdges += v.BytesFromEdges
		sum.FragmentsMissed += v.FragmentsMissed
		sum.Stalls += v.Stalls
		latency = max(latency, v.LatencyMS.P95)
	}
	return fmt.Sprintf("%v: %d viewers, %s from viewers, %s from edge (%.0f%% from viewers), latency p95 %d ms, missed %d, stalls %d\n",
		elapsed, len(viewers), bytesText(sum.BytesFromPeers), bytesText(sum.BytesFromEdges), 100*peerShare(sum),
		latency, sum.FragmentsMissed, sum.Stalls)
}

// cursorUp returns the ANSI sequence that goes n lines up.
func cursorUp(n int) string { return fmt.Sprintf("\x1b[%dA", n) }

// peerShare returns the share of the media bytes that came from viewers.
func peerShare(s peer.Status) float64 {
	all := s.BytesFromPeers + s.BytesFromEdges
	if all == 0 {
		return 0
	}
	return float64(s.BytesFromPeers) / float64(all)
}

// bytesText writes a number of bytes for people.
func bytesText(n uint64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}
