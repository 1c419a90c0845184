// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// limiter allows each address so many requests per second. IPv6 addresses count by /64, which
// is what one customer has at least.
//
// It is the generic cell rate algorithm (ITU-T I.371) in a table of fixed size: one time per
// slot, the slot chosen by a keyed hash. Addresses that share a slot share its allowance; nobody
// can tell which do, so a flood cannot be aimed at one address, and one with forged addresses
// has to keep all slots busy to starve others.
type limiter struct {
	interval time.Duration // between requests in the long run
	burst    time.Duration // how far requests may be ahead of that
	seed     maphash.Seed
	start    time.Time

	mu    sync.Mutex // guards slots
	slots []time.Duration
}

// newLimiter allows rate requests per second, burst at once.
func newLimiter(rate float64, burst int) *limiter {
	interval := time.Duration(float64(time.Second) / rate)
	return &limiter{
		interval: interval,
		burst:    time.Duration(burst-1) * interval,
		seed:     maphash.MakeSeed(),
		start:    time.Now(),
		slots:    make([]time.Duration, limiterSlots),
	}
}

// allow counts a request and tells whether it is within the limit. Loopback is: its addresses
// cannot be forged from elsewhere, and all local processes share them.
func (l *limiter) allow(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if addr.IsLoopback() {
		return true
	}
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	slot := maphash.Comparable(l.seed, addr) % limiterSlots
	now := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	due := max(l.slots[slot], now) // when the request would have come at the allowed rate
	if due-now > l.burst {
		return false
	}
	l.slots[slot] = due + l.interval
	return true
}

// ProbeBudget bounds the probes that a host sends to one IP address (IPv6: one /64) from which nothing has come,
// whatever others ask it for, over all attempts. Its methods may be called from several goroutines.
type ProbeBudget struct{ limiter *limiter }

// NewProbeBudget returns a full budget.
func NewProbeBudget() *ProbeBudget { return &ProbeBudget{newLimiter(budgetRate, budgetBurst)} }

// Spend asks for leave to send one more.
func (b *ProbeBudget) Spend(to netip.Addr) bool { return b.limiter.allow(to) }
