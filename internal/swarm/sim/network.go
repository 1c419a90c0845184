// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"fmt"
	"slices"
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

// lanLatency is the time that a datagram takes in a LAN. No path is shorter.
const lanLatency = 500 * time.Microsecond

// shortest returns a time in which nobody can reach anybody else. It is no more
// than the tracker needs to answer.
func (n *network) shortest(lans bool) time.Duration {
	l := &n.latency
	d := l.Fixed
	switch {
	case lans:
		d = 0
	case len(l.Regions) > 0:
		d = never
		for _, row := range l.Matrix {
			d = min(d, slices.Min(row))
		}
	case l.High > 0:
		d = l.Low
	}
	return min(max(d, lanLatency), trackerTime)
}

// delay returns the time that a datagram takes from one peer to another.
func (w *world) delay(a, b uint32) time.Duration {
	l := &w.net.latency
	d := l.Fixed
	switch sa, sb := &w.sites[a], &w.sites[b]; {
	case sa.lan >= 0 && sa.lan == sb.lan:
		return lanLatency
	case len(l.Regions) > 0:
		d = l.Matrix[sa.region][sb.region]
	case l.High > 0:
		// The same for both ways, and drawn anew for each pair.
		x := mix(w.net.seed ^ mix(uint64(min(a, b))<<32|uint64(max(a, b))))
		d = l.Low + time.Duration(x%uint64(l.High-l.Low+1))
	}
	return max(d, lanLatency)
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
