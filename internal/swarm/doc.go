// SPDX-License-Identifier: GPL-3.0-or-later

// Package swarm decides which piece goes from whom to whom. It is a pure
// machine: events and the time go in, commands come out. It has no sockets,
// goroutines or clock, so the same code runs in the program, in tests under
// virtual time, in the simulator and in browsers.
package swarm
