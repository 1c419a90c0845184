// SPDX-License-Identifier: GPL-3.0-or-later

//go:build !unix

package netbench

import "time"

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
