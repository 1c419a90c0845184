// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import "time"

const (
	// closeTimeout is how long the orderly end after a signal may take. Service
	// managers and scripts rely on it.
	closeTimeout = 5 * time.Second

	// maxConfigSize bounds a configuration file. All flags with all their
	// values fit in a twentieth of it; more is a wrong file.
	maxConfigSize = 64 << 10

	// maxKeySize bounds a key file. A key is a line; more is a wrong file.
	maxKeySize = 4 << 10

	// maxSeeds bounds the runs of each pair in bench nat: some ten minutes.
	maxSeeds = 10_000

	// maxRounds bounds the measurements of bench rudp: over an hour.
	maxRounds = 1000
)
