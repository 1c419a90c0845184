// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"time"

	"p2plive/internal/wire"
)

// Config says who the peer is and what it may spend. Zero values mean the
// defaults that are given with each field.
type Config struct {
	// Self and Role are the peer's own. Both are needed.
	Self wire.PeerID
	Role wire.Role

	// PlayDelay is how long a fragment may stay away, once it is known to
	// exist, before it is given up. Default 1 s.
	PlayDelay time.Duration
	// Window is how much of the stream the runner's store keeps. Default 30 s.
	Window time.Duration

	// Leaf makes a viewer that shares nothing: it plays, at the bottom.
	Leaf bool
	// EdgeOnly makes a Leaf that has nothing to do with other viewers: it dials none.
	EdgeOnly bool
	// Slots is how many children a viewer carries, counted over all trees.
	// Default: what Uplink allows, and two copies of the stream while it is
	// not known.
	Slots int
	// Uplink in bits a second; 0 if not known. The event Capacity renews it.
	Uplink int64

	// Gate is the number of viewers below which an edge feeds all of them
	// itself: a swarm of two saves nothing. Default 3.
	Gate int
	// EdgeChildren is how many children per tree an edge or source feeds for
	// good. Default: 1 at a source; at an edge 1, and one more for each 50 viewers.
	EdgeChildren int

	// Seed makes the machine's random decisions, which are the same for the
	// same seed and events.
	Seed uint64
}

func (c Config) withDefaults() Config {
	if c.PlayDelay <= 0 {
		c.PlayDelay = defaultPlayDelay
	}
	if c.Window <= 0 {
		c.Window = defaultWindow
	}
	if c.Gate <= 0 {
		c.Gate = defaultGate
	}
	c.Leaf = c.Leaf || c.EdgeOnly
	return c
}
