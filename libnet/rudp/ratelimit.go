// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"net/netip"
	"time"
)

// bucket is a token bucket that is refilled when it is asked.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	b.tokens = min(burst, b.tokens+now.Sub(b.last).Seconds()*rate)
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// limiter bounds handshakes per source and in all. The gate guards it.
type limiter struct {
	total    bucket
	calm     bucket // initiators without a cookie
	overflow bucket // stands for the sources that have no place in the table
	sources  map[netip.Prefix]*bucket
	swept    time.Time
}

func newLimiter(now time.Time) *limiter {
	return &limiter{
		total:    bucket{totalBurst, now},
		calm:     bucket{calmBurst, now},
		overflow: bucket{sourceBurst, now},
		sources:  make(map[netip.Prefix]*bucket),
		swept:    now,
	}
}

// verdict on an initiation.
type verdict uint8

const (
	admitted verdict = iota
	refused
	unproved // it may come again, with a cookie
)

// judge takes one handshake from the allowances of its source and of all. Initiators that have not shown that they
// receive at their address share a small allowance: what they ask for beyond it needs a cookie.
func (l *limiter) judge(from netip.Addr, proved bool, now time.Time) verdict {
	source := l.source(from, now)
	switch {
	case proved && source == &l.overflow:
	case !proved && source == &l.overflow:
		return unproved
	case !source.take(now, sourceRate, sourceBurst):
		return refused
	case !proved && !l.calm.take(now, calmRate, calmBurst):
		return unproved
	}
	if !l.total.take(now, totalRate, totalBurst) {
		return refused
	}
	return admitted
}

// source gives the bucket of a source, or overflow.
func (l *limiter) source(from netip.Addr, now time.Time) *bucket {
	key := sourceKey(from)
	if b := l.sources[key]; b != nil {
		return b
	}
	if len(l.sources) >= maxSources {
		l.sweep(now)
	}
	if len(l.sources) >= maxSources {
		return &l.overflow
	}
	b := &bucket{sourceBurst, now}
	l.sources[key] = b
	return b
}

// sweep forgets the sources whose bucket is full again, at most once a second.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for key, b := range l.sources {
		if b.tokens+now.Sub(b.last).Seconds()*sourceRate >= sourceBurst {
			delete(l.sources, key)
		}
	}
}

// sourceKey is what one customer has: an IPv4 address or an IPv6 /64.
func sourceKey(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	key, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return key
}
