// SPDX-License-Identifier: GPL-3.0-or-later

package edge

import (
	"math"
	"time"
)

// budgetKbps is a limit as the tracker is told it; 0: none.
func budgetKbps(limit int64) uint32 {
	if limit <= 0 {
		return 0
	}
	return uint32(min(max(limit/1000, 1), math.MaxUint32))
}

// share deals the upload budget to the streams: each has what it sends, and an
// equal part of what is left.
func (e *Edge) share() {
	if e.cfg.UploadLimit <= 0 {
		return
	}
	streams := e.all()
	e.mu.Lock()
	left := e.cfg.UploadLimit
	for _, st := range streams {
		left -= int64(st.outKbps) * 1000
	}
	part := max(left, 0) / int64(max(len(streams), 1))
	uplinks := make([]int64, len(streams))
	for i, st := range streams {
		uplinks[i] = max(int64(st.outKbps)*1000+part, 1)
	}
	e.mu.Unlock()
	for i, st := range streams {
		_ = st.swarm.SetUplink(min(uplinks[i], e.cfg.UploadLimit)) // fails only where the stream is being let go
	}
}

// meter takes the rate of what is counted over the last rateSpan.
type meter struct{ samples []sample }

type sample struct {
	at    time.Time
	bytes uint64
}

// add takes a count and returns the rate in kbit/s.
func (m *meter) add(now time.Time, bytes uint64) uint32 {
	m.samples = append(m.samples, sample{now, bytes})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= rateSpan {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	elapsed := now.Sub(first.at).Seconds()
	if elapsed <= 0 {
		return 0
	}
	return uint32(float64(bytes-first.bytes) * 8 / 1000 / elapsed)
}
