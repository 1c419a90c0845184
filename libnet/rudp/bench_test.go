// SPDX-License-Identifier: GPL-3.0-or-later

//go:build unix

package rudp

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cpuTime is the processor time of the process so far, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU adds the processor seconds for each GB delivered since begin.
func reportCPU(b *testing.B, begin time.Duration, size int) {
	b.ReportMetric((cpuTime()-begin).Seconds()*1e9/(float64(b.N)*float64(size)), "cpu-s/GB")
}

// BenchmarkBulk sends messages as fast as they go, over loopback.
func BenchmarkBulk(b *testing.B) {
	for _, size := range []int{1 << 10, 8 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			x, y := loopback(b, nil), loopback(b, nil)
			cx, cy := connect(b, x, y)
			ctx := context.Background()
			msg := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			cpu := cpuTime()
			var reader sync.WaitGroup
			reader.Go(func() {
				for range b.N {
					m, err := cy.Recv(ctx)
					if err != nil {
						b.Error(err)
						return
					}
					Recycle(m.Data)
				}
			})
			for range b.N {
				if err := cx.Channel(1).Send(ctx, msg); err != nil {
					b.Fatal(err)
				}
			}
			reader.Wait()
			reportCPU(b, cpu, size)
			s := cx.Stats()
			b.ReportMetric(float64(s.WireOut)/float64(s.BytesOut), "wire/byte")
		})
	}
}

// BenchmarkSessions sends 8 KiB messages round-robin over many sessions between two sockets.
func BenchmarkSessions(b *testing.B) {
	for _, sessions := range []int{10, 100} {
		b.Run(fmt.Sprint(sessions), func(b *testing.B) {
			x, y := loopback(b, nil), loopback(b, nil)
			ctx := context.Background()
			var out, in []*Conn
			for range sessions {
				cx, cy := connect(b, x, y)
				out, in = append(out, cx), append(in, cy)
			}
			msg := make([]byte, 8<<10)
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			b.ResetTimer()
			cpu := cpuTime()
			var readers sync.WaitGroup
			for i, c := range in {
				readers.Go(func() {
					for n := i; n < b.N; n += sessions {
						m, err := c.Recv(ctx)
						if err != nil {
							b.Error(err)
							return
						}
						Recycle(m.Data)
					}
				})
			}
			for n := range b.N {
				if err := out[n%sessions].Channel(1).Send(ctx, msg); err != nil {
					b.Fatal(err)
				}
			}
			readers.Wait()
			reportCPU(b, cpu, len(msg))
		})
	}
}

// BenchmarkRoundTrip is the time of an 8 KiB message there and back.
func BenchmarkRoundTrip(b *testing.B) {
	x, y := loopback(b, nil), loopback(b, nil)
	cx, cy := connect(b, x, y)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	var echo sync.WaitGroup
	echo.Go(func() {
		for {
			m, err := cy.Recv(ctx)
			if err != nil || cy.Channel(m.Channel).Send(ctx, m.Data) != nil {
				return
			}
		}
	})
	msg := make([]byte, 8<<10)
	for b.Loop() {
		if err := cx.Channel(1).Send(ctx, msg); err != nil {
			b.Fatal(err)
		}
		if _, err := cx.Recv(ctx); err != nil {
			b.Fatal(err)
		}
	}
	cx.Close("")
	echo.Wait()
}

// BenchmarkHandshake is a whole handshake's cryptography, both sides.
func BenchmarkHandshake(b *testing.B) {
	x, y := newIdentity(b), newIdentity(b)
	for b.Loop() {
		i, response, _ := shake(b, x, y)
		if _, _, _, err := i.finish(response); err != nil {
			b.Fatal(err)
		}
	}
}
