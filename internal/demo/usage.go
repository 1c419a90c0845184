// SPDX-License-Identifier: GPL-3.0-or-later

package demo

import "time"

// usage is what the process has cost.
type usage struct {
	cpu time.Duration // user and system
	rss uint64        // resident memory, bytes
}
