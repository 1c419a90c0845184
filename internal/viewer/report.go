// SPDX-License-Identifier: GPL-3.0-or-later

package viewer

import (
	"context"
	"time"

	"p2plive/internal/signal"
)

// report tells the tracker how the viewer does: when it has found its places in
// the swarm, when the tracker is new to it, and every few seconds.
func (v *Viewer) report(ctx context.Context) {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	settling := time.NewTicker(settleInterval)
	defer settling.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-settling.C:
			if s := v.joined(); s == nil || !s.Settled() {
				continue
			}
			settling.Stop()
		case <-v.changed:
			settling.Reset(settleInterval)
			if v.joined() == nil {
				continue
			}
		}
		v.client.SendReport(v.reportNow())
	}
}

func (v *Viewer) reportNow() signal.Report {
	st := v.Stats()
	var connections []signal.Connection
	for _, s := range st.Sessions[:min(len(st.Sessions), signal.MaxConnections)] {
		connections = append(connections, signal.Connection{Peer: s.Peer, Path: s.Path})
	}
	return signal.Report{
		Connections:    connections,
		BytesFromPeers: st.BytesFromPeers, BytesFromEdges: st.BytesFromEdges, BytesUploaded: st.BytesUploaded,
		LatencyMS: uint32(st.Latency.Percentile(0.95)), FragmentsMissed: st.FragmentsMissed,
		UplinkKbps: uint32(min(st.Machine.Gives/1000, 1<<32-1)), Settled: st.Settled, AtEdge: st.AtEdge,
	}
}

// wake has the reporter look at once.
func (v *Viewer) wake() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}
