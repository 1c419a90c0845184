// SPDX-License-Identifier: GPL-3.0-or-later

// Package wire holds the vocabulary of the swarm and the byte formats of
// everything that peers say to each other. It neither signs nor verifies:
// that is package live's part.
package wire
