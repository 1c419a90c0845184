// SPDX-License-Identifier: GPL-3.0-or-later

//go:build unix

package udp

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// BenchmarkBatch moves full batches over loopback within one goroutine, so that nothing is lost, and reports
// the process's CPU time, system calls included, for sending and receiving.
func BenchmarkBatch(b *testing.B) {
	tests := []struct {
		name     string
		from, to Config
		gap      int // bytes between the buffers of a batch
	}{
		{"plain", Config{NoBatch: true}, Config{NoBatch: true}, 16},
		{"mmsg", Config{NoOffload: true}, Config{NoOffload: true}, 16},
		{"GSO", Config{}, Config{NoOffload: true}, 16},
		{"GSO+GRO", Config{}, Config{}, 16},
		{"GSO+GRO adjacent", Config{}, Config{}, 0},
	}
	for _, size := range []int{200, 1232} {
		for _, tt := range tests {
			b.Run(fmt.Sprintf("%s/%d", tt.name, size), func(b *testing.B) {
				src, dst := listenConfig(b, "127.0.0.1:0", tt.from), listenConfig(b, "127.0.0.1:0", tt.to)
				benchmarkBatch(b, src, dst, size, tt.gap)
			})
		}
	}
}

func benchmarkBatch(b *testing.B, src, dst *Socket, size, gap int) {
	out := make([]Message, maxBatch)
	space := make([]byte, len(out)*(size+gap))
	for i := range out {
		out[i] = Message{Buf: space[i*(size+gap):][:size], Addr: dst.LocalAddr()}
	}
	in := make([]Message, maxBatch)
	b.SetBytes(int64(len(out) * size))
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		if _, err := src.WriteBatch(out); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < len(out); {
			n, err := dst.ReadBatch(in)
			if err != nil {
				b.Fatal(err)
			}
			for _, m := range in[:n] {
				for range m.Datagrams() {
					got++
				}
			}
		}
	}
	cpu := cpuTime(b) - start
	datagrams := float64(b.N * len(out))
	b.ReportMetric(float64(cpu.Nanoseconds())/datagrams, "cpu-ns/datagram")
	b.ReportMetric(cpu.Seconds()/(datagrams*float64(size)/1e9), "cpu-s/GB")
}

// BenchmarkManySources reads single datagrams of many senders, where GRO finds nothing to merge.
func BenchmarkManySources(b *testing.B) {
	for _, cfg := range []Config{{NoOffload: true}, {}} {
		b.Run(fmt.Sprintf("NoOffload=%v", cfg.NoOffload), func(b *testing.B) {
			dst := listenConfig(b, "127.0.0.1:0", cfg)
			var sources []*Socket
			for range maxBatch {
				sources = append(sources, listenConfig(b, "127.0.0.1:0", cfg))
			}
			out := []Message{{Buf: make([]byte, 1232), Addr: dst.LocalAddr()}}
			in := make([]Message, maxBatch)
			b.ReportAllocs()
			var reading time.Duration
			for b.Loop() {
				for _, s := range sources {
					if _, err := s.WriteBatch(out); err != nil {
						b.Fatal(err)
					}
				}
				start := time.Now()
				for got := 0; got < len(sources); {
					n, err := dst.ReadBatch(in)
					if err != nil {
						b.Fatal(err)
					}
					got += n
				}
				reading += time.Since(start)
			}
			b.ReportMetric(float64(reading.Nanoseconds())/float64(b.N*len(sources)), "read-ns/datagram")
		})
	}
}

// cpuTime is what the process has used, in user and kernel mode.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
