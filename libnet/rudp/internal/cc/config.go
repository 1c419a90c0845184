// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

// Config of a Controller. Start from [Home] or [Server].
type Config struct {
	// Target bounds the queueing delay that is aimed at: 60 ms in LEDBAT++. A window of n packets aims at
	// TargetScale/cbrt(n), at least at TargetFloor, so that flows who share a queue, and so see the same
	// delay, come to the same window, and a single fast flow stays far below Target. Swift (SIGCOMM 2020,
	// section 3.5) scales its target by the square root, for thousands of flows in a data centre.
	Target      time.Duration
	TargetFloor time.Duration
	TargetScale time.Duration
	// StartGrowth is by how much slow start grows per round trip; 1 doubles. The queue that is built before
	// the first sign of it has come back is that share of a round trip.
	StartGrowth float64
	// Datagram is the size of a full packet in bytes, and the unit in which windows are counted also where packets are
	// longer: flows with packets of different sizes come to the same window.
	Datagram int
	// InitialWindow, MinWindow and MaxWindow bound what is in flight, in bytes.
	InitialWindow, MinWindow, MaxWindow int
}

// Home is for an uplink that people share: it yields to everything else on it.
func Home() Config {
	return Config{
		Target:      60 * time.Millisecond,
		TargetFloor: 5 * time.Millisecond,
		// 23 ms at ten packets: four flows on 5 Mbit/s.
		TargetScale: 50 * time.Millisecond,
		StartGrowth: 0.5,
		Datagram:    1232,
		// RFC 6928: ten packets, 20 ms at 5 Mbit/s.
		InitialWindow: 10 * 1232,
		// Two packets keep the path measured, and are 5% of a 5 Mbit/s uplink whose queue TCP fills.
		MinWindow: 2 * 1232,
		// 640 Mbit/s at 50 ms.
		MaxWindow: 4 << 20,
	}
}

// Server is for a line whose operator wants it used: longer queues are accepted before it yields, it starts
// with more, and keeps more beside other traffic.
func Server() Config {
	c := Home()
	c.TargetFloor = 15 * time.Millisecond
	c.TargetScale = 90 * time.Millisecond
	c.StartGrowth = 1
	// Three pieces of 16 KiB: the first picture needs no round trip of probing.
	c.InitialWindow = 40 * 1232
	c.MinWindow = 4 * 1232
	c.MaxWindow = 16 << 20
	return c
}
