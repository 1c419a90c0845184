// SPDX-License-Identifier: GPL-3.0-or-later

//go:build unix

package demo

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func currentUsage() usage {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return usage{}
	}
	u := usage{cpu: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), rss: uint64(ru.Maxrss)}
	if runtime.GOOS != "darwin" { // there it is in bytes
		u.rss <<= 10
	}
	// Where the kernel tells, the memory of now and not the highest so far.
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(statm); len(fields) > 1 {
			if pages, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
				u.rss = pages * uint64(os.Getpagesize())
			}
		}
	}
	return u
}
