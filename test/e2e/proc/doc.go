// SPDX-License-Identifier: GPL-3.0-or-later

// Package proc runs the built program as real processes for tests: it builds
// it once, gives each process addresses of its own on 127.0.0.1, keeps what it
// prints, and sees that it ends in order.
package proc
