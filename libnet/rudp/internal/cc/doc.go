// SPDX-License-Identifier: GPL-3.0-or-later

// Package cc decides when a session may send: a [Controller] per path bounds what is in flight by the delay it
// adds, and one [Pacer] per host deals the uplink among all sessions. Both are pure machines: no clock,
// goroutine, lock or socket, and no allocation after they have been made.
//
// Times are durations since an epoch of the caller's choice, the same for all controllers and the pacer of a
// host, and never go back. With the Unix epoch, the slowdowns of different hosts fall together.
package cc
