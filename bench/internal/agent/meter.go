// SPDX-License-Identifier: GPL-3.0-or-later

package agent

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Sample is what an agent has done and holds at a moment. Differences of two samples are what happened between.
type Sample struct {
	At       time.Duration // on the machine's monotonic clock
	CPU      time.Duration // user and system time of the process (getrusage)
	Messages uint64        // received
	Bytes    uint64        // of those
	Delays   Delays        // of those, since they were due

	Mallocs    uint64 // allocations so far
	Heap       uint64 // bytes in use by heap and stacks
	RSS        uint64 // bytes resident
	Goroutines int

	Lost      int // sessions that ended by an error
	LastError string
}

// Since is what has happened since an earlier sample.
func (s Sample) Since(earlier Sample) Sample {
	s.At -= earlier.At
	s.CPU -= earlier.CPU
	s.Messages -= earlier.Messages
	s.Bytes -= earlier.Bytes
	s.Mallocs -= earlier.Mallocs
	s.Delays = s.Delays.since(earlier.Delays)
	return s
}

// Sample takes a sample. With collect, what is garbage is not in Heap.
func (a *Agent) Sample(collect bool, s *Sample) error {
	if collect {
		// Twice: pools keep what they hold for one collection more.
		debug.FreeOSMemory()
		debug.FreeOSMemory()
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		return fmt.Errorf("getrusage: %w", err)
	}
	*s = a.meter.sample()
	s.At = now()
	s.CPU = time.Duration(unix.TimevalToNsec(use.Utime) + unix.TimevalToNsec(use.Stime))
	s.Mallocs = mem.Mallocs
	s.Heap = mem.HeapInuse + mem.StackInuse
	s.RSS = resident()
	s.Goroutines = runtime.NumGoroutine()
	return nil
}

// resident reads the pages that the process has in memory (proc_pid_statm(5)).
func resident() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages uint64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// meter counts what all sessions of an agent receive. Counting allocates nothing.
type meter struct {
	messages, bytes atomic.Uint64
	delays          [delayBuckets]atomic.Uint64

	mu   sync.Mutex
	gone int
	last error
}

func (m *meter) received(n int, delay time.Duration) {
	m.messages.Add(1)
	m.bytes.Add(uint64(n))
	m.delays[delayBucket(delay)].Add(1)
}

func (m *meter) lost(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone++
	m.last = err
}

func (m *meter) sample() Sample {
	s := Sample{Messages: m.messages.Load(), Bytes: m.bytes.Load(), Delays: make(Delays, delayBuckets)}
	for i := range m.delays {
		s.Delays[i] = m.delays[i].Load()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Lost = m.gone
	if m.last != nil {
		s.LastError = m.last.Error()
	}
	return s
}

// now is the machine's monotonic clock, the same in all processes, read without a system call.
func now() time.Duration { return clockBase + time.Since(clockStart) }

var clockBase, clockStart = func() (time.Duration, time.Time) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(ts.Nano()), time.Now()
}()
