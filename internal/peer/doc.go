// SPDX-License-Identifier: GPL-3.0-or-later

// Package peer runs the swarm machine over real sessions: it dials, accepts
// and verifies, keeps the store, and hands whole fragments to a player. Every
// role that moves media is a peer.
package peer
