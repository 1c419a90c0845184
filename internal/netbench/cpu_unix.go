// SPDX-License-Identifier: GPL-3.0-or-later

//go:build unix

package netbench

import (
	"syscall"
	"time"
)

// processorTime is what the process has used so far, user and system (getrusage(2)).
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
