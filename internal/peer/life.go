// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"time"

	"p2plive/libnet/nat"
)

// AdaptKeepAlive learns how long the NATs before the host keep a mapping, and has sessions kept alive so often and no
// more. It takes up to a quarter of an hour, in which it sends a few datagrams a minute.
func (h *Host) AdaptKeepAlive(ctx context.Context, server string) error {
	interval := maxKeepAlive // nothing that could forget
	if h.Class().Type != nat.TypeOpen {
		lifetime, err := h.MappingLifetime(ctx, server)
		if err != nil {
			return err
		}
		interval = min(max(lifetime.Keepalive(), keepAlive), maxKeepAlive)
	}
	h.log.Debug("keepalive adapted", "interval", interval)
	return h.endpoint.SetKeepAlive(interval, interval+idleTimeout-keepAlive)
}

// watchClock notices that the host has slept, and has everything looked after at once that may have changed meanwhile.
func (h *Host) watchClock() {
	ticker := time.NewTicker(clockInterval)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ticker.C:
		case <-h.ctx.Done():
			return
		}
		now := time.Now()
		// Round takes the monotonic clock away, which stands still in sleep on some systems.
		if slept(now.Sub(last), now.Round(0).Sub(last.Round(0))) {
			h.log.Debug("the host has slept")
			h.wake()
		}
		last = now
	}
}

// slept tells by both clocks whether there was a gap in time.
func slept(monotonic, wall time.Duration) bool {
	return max(monotonic, wall) > clockInterval+sleepGap
}

func (h *Host) wake() {
	h.endpoint.Recheck()
	h.mu.Lock()
	mapper := h.mapper
	h.mu.Unlock()
	if mapper != nil {
		mapper.Renew()
	}
	if h.cfg.Awake != nil {
		h.cfg.Awake()
	}
}
