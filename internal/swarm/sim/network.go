// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"fmt"
	"time"
)

// natType is what stands between a viewer and the Internet, by the names that
// users know.
type natType uint8

const (
	natOpen natType = iota
	natFullCone
	natRestricted
	natPortRestricted
	natSymmetric
	natNoUDP
)

var natNames = []string{"open", "full-cone", "restricted", "port-restricted", "symmetric", "no-udp"}

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *natType) UnmarshalText(text []byte) error {
	for i, name := range natNames {
		if name == string(text) {
			*n = natType(i)
			return nil
		}
	}
	return fmt.Errorf("unknown NAT type %q", text)
}

// reach tells how two peers come together: not at all, directly, or with the
// tracker's help. Port prediction is left out: it takes seconds.
func reach(from, to natType) (ok, punched bool) {
	lo, hi := min(from, to), max(from, to)
	switch {
	case hi == natNoUDP:
		return false, false // an edge serves it over a WebSocket
	case hi == natSymmetric && lo >= natPortRestricted:
		return false, false
	}
	return true, to > natFullCone
}

// network is what lies between peers.
type network struct {
	latency Latency
	loss    float64
	seed    uint64
}

const lanLatency = 500 * time.Microsecond

// between returns the time that a datagram takes from one peer to another.
func (n *network) between(a, b *peer) time.Duration {
	l := &n.latency
	switch {
	case a.lan >= 0 && a.lan == b.lan:
		return lanLatency
	case len(l.Regions) > 0:
		return l.Matrix[a.region][b.region]
	case l.High > 0:
		// The same for both ways, and drawn anew for each pair.
		x := mix(n.seed ^ mix(uint64(min(a.index, b.index))<<32|uint64(max(a.index, b.index))))
		return l.Low + time.Duration(x%uint64(l.High-l.Low+1))
	}
	return l.Fixed
}

// mean returns the average latency between two peers.
func (l *Latency) mean() time.Duration {
	switch {
	case len(l.Regions) > 0:
		sum, weight := 0.0, 0.0
		for i, row := range l.Matrix {
			for j, d := range row {
				w := l.Regions[i] * l.Regions[j]
				sum, weight = sum+w*float64(d), weight+w
			}
		}
		return time.Duration(sum / max(weight, 1e-9))
	case l.High > 0:
		return (l.Low + l.High) / 2
	}
	return l.Fixed
}

// mix is the finaliser of SplitMix64: a good hash of a number.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// arrival returns when a message that has left at a time arrives, and how many
// bytes of it went over the line again.
func (w *world) arrival(from, to *peer, left time.Duration, bytes int) (at time.Duration, again int) {
	d := w.net.between(from, to)
	at = left + d
	if w.net.loss > 0 {
		rounds, lost := losses(w.rng.Float64, datagrams(bytes), w.net.loss)
		at += time.Duration(float64(rounds) * roundTrips * float64(2*d))
		again = lost * min(bytes, datagramPayload)
	}
	return at, again
}
