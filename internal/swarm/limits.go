// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import "time"

const (
	// defaultPlayDelay leaves time for a lost parent to be noticed and for
	// two attempts at repair over a long path.
	defaultPlayDelay = time.Second
	// defaultWindow is what the runner's store keeps.
	defaultWindow = 30 * time.Second
	// defaultGate: with two viewers, at most one copy in two is saved.
	defaultGate = 3
)
