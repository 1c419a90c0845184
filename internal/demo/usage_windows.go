// SPDX-License-Identifier: GPL-3.0-or-later

package demo

import (
	"runtime"
	"syscall"
	"time"
)

func currentUsage() usage {
	var created, exited, kernel, user syscall.Filetime
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return usage{}
	}
	if err := syscall.GetProcessTimes(self, &created, &exited, &kernel, &user); err != nil {
		return usage{}
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return usage{cpu: time.Duration(ticks(kernel)+ticks(user)) * 100, rss: mem.Sys - mem.HeapReleased}
}

// ticks returns a duration in units of 100 ns; Filetime.Nanoseconds would
// take it for a date.
func ticks(f syscall.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
