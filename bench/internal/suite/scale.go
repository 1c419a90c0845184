// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import "time"

// Scale says how long everything takes. Single rounds differ by up to a third: only medians of several say
// something.
type Scale struct {
	Rounds int // of each benchmark

	BulkMessage int           // bytes
	BulkWarmup  time.Duration // until the window is open
	Bulk        time.Duration

	RampStart  int           // sessions of the first step
	RampMost   int           // sessions at which a ramp ends
	RampCoarse float64       // growth of a step while the capacity is not known
	RampFine   float64       // growth of a step in the rounds; 1: the coarse ramp is the only round
	RampSettle time.Duration // after new sessions have begun
	RampStep   time.Duration
	DelayLimit time.Duration // of the messages' p99, in a step that is not too much
	OnTime     float64       // share of what is offered that comes in such a step
	Overload   time.Duration

	IdleSessions int
	IdleSettle   time.Duration
	Idle         time.Duration

	FloodRate    int // datagrams per second
	FloodGenuine int // initiations that are not forged, used in turns
	FloodSettle  time.Duration
	Flood        time.Duration
}

// Full takes about a quarter of an hour.
func Full() Scale {
	return Scale{
		Rounds:      5,
		BulkMessage: 64 << 10,
		BulkWarmup:  500 * time.Millisecond,
		Bulk:        1500 * time.Millisecond,

		RampStart:  64,
		RampMost:   3000,
		RampCoarse: 1.3,
		RampFine:   1.05,
		RampSettle: 500 * time.Millisecond,
		RampStep:   time.Second,
		DelayLimit: 200 * time.Millisecond, // viewers of a live stream play not much more behind
		OnTime:     0.97,                   // the edges of a step cut a few messages
		Overload:   3 * time.Second,

		IdleSessions: 500,
		IdleSettle:   time.Second,
		Idle:         4 * time.Second, // two keepalives of rudp

		FloodRate:    50_000,
		FloodGenuine: 1024,
		FloodSettle:  500 * time.Millisecond,
		Flood:        2 * time.Second,
	}
}

// Quick takes about a minute: for a look while working, not for the table.
func Quick() Scale {
	s := Full()
	s.Rounds = 2
	s.Bulk = 700 * time.Millisecond
	s.BulkWarmup = 200 * time.Millisecond
	s.RampCoarse, s.RampFine = 1.4, 1
	s.RampSettle, s.RampStep = 300*time.Millisecond, 600*time.Millisecond
	s.Overload = 1500 * time.Millisecond
	s.Idle = 2 * time.Second
	s.IdleSettle = 300 * time.Millisecond
	s.Flood = time.Second
	return s
}
