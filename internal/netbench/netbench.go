// SPDX-License-Identifier: GPL-3.0-or-later

// Package netbench measures this machine's encrypted transports over its loopback interface: libnet/rudp, and TLS over
// TCP beside it. Both sides run in this process, so that its processor time is that of both.
package netbench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config of a measurement.
type Config struct {
	// Duration is that of one transport in one round.
	Duration time.Duration
	// Rounds of all transports, in turns: what disturbs the machine disturbs all.
	Rounds int
	// Progress is told what begins, if it is not nil.
	Progress func(transport string, round int)
}

// Result is what one transport has come to: medians of the rounds.
type Result struct {
	Transport string  `json:"transport"`
	Goodput   float64 `json:"goodput_bytes_per_second"`
	CPU       float64 `json:"cpu_seconds_per_gigabyte"` // of both sides; zero where the system does not tell
	RoundTrip float64 `json:"round_trip_us"`            // of one message there and back, the median
	GSO       bool    `json:"gso"`                      // the kernel merges what is sent (UDP)
	GRO       bool    `json:"gro"`                      // and what comes
}

// Sizes of messages, in bytes.
const (
	bulkMessage = 64 << 10
	echoMessage = 8 << 10
)

// warmup is how long a session sends before it is measured: its window opens.
const warmup = 300 * time.Millisecond

// flow is one side of a session.
type flow interface {
	send(ctx context.Context, message []byte) error
	// receive takes the next message, which has as many bytes as asked for.
	receive(ctx context.Context, size int) error
}

// link is a session over the loopback interface with both its sides.
type link struct {
	from, to flow
	close    func()
	gso, gro bool
}

var transports = []struct {
	name string
	dial func(context.Context) (*link, error)
}{
	{"rudp", dialRUDP},
	{"tls", dialTLS},
}

// Run measures all transports; the first result is that of rudp.
func Run(ctx context.Context, cfg Config) ([]Result, error) {
	rounds := make([][]Result, len(transports))
	for round := range cfg.Rounds {
		for i, t := range transports {
			if cfg.Progress != nil {
				cfg.Progress(t.name, round)
			}
			l, err := t.dial(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			r, err := l.measure(ctx, cfg.Duration)
			l.close()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			r.Transport = t.name
			rounds[i] = append(rounds[i], r)
		}
	}
	results := make([]Result, len(transports))
	for i, rs := range rounds {
		results[i] = rs[0]
		results[i].Goodput = median(rs, func(r Result) float64 { return r.Goodput })
		results[i].CPU = median(rs, func(r Result) float64 { return r.CPU })
		results[i].RoundTrip = median(rs, func(r Result) float64 { return r.RoundTrip })
	}
	return results, nil
}

func median(rs []Result, of func(Result) float64) float64 {
	values := make([]float64, len(rs))
	for i, r := range rs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2
}

func (l *link) measure(ctx context.Context, d time.Duration) (r Result, err error) {
	stop := context.AfterFunc(ctx, l.close) // what waits returns
	defer stop()
	defer func() {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
	}()
	r.GSO, r.GRO = l.gso, l.gro
	if r.RoundTrip, err = l.echo(ctx, d/4); err != nil {
		return r, err
	}
	r.Goodput, r.CPU, err = l.bulk(ctx, d)
	return r, err
}

// echo gives the median time of a message there and back, in microseconds.
func (l *link) echo(ctx context.Context, d time.Duration) (float64, error) {
	message := make([]byte, echoMessage)
	var took []float64
	for begin := time.Now(); time.Since(begin) < d || len(took) == 0; {
		start := time.Now()
		for _, way := range [][2]flow{{l.from, l.to}, {l.to, l.from}} {
			both, ctx := errgroup.WithContext(ctx)
			both.Go(func() error { return way[0].send(ctx, message) })
			if err := way[1].receive(ctx, echoMessage); err != nil {
				return 0, err
			}
			if err := both.Wait(); err != nil {
				return 0, err
			}
		}
		took = append(took, float64(time.Since(start))/float64(time.Microsecond))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// bulk sends as fast as it goes, and gives bytes per second and processor seconds per 10^9 bytes.
func (l *link) bulk(ctx context.Context, d time.Duration) (rate, cpu float64, err error) {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	sender, sending := errgroup.WithContext(sending)
	sender.Go(func() error {
		message := make([]byte, bulkMessage)
		for sending.Err() == nil {
			if err := l.from.send(sending, message); err != nil && sending.Err() == nil {
				return err
			}
		}
		return nil
	})
	count := func(d time.Duration) (bytes float64, err error) {
		for begin := time.Now(); time.Since(begin) < d || bytes == 0; bytes += bulkMessage {
			if err := l.to.receive(ctx, bulkMessage); err != nil {
				return 0, err
			}
		}
		return bytes, nil
	}
	if _, err = count(warmup); err != nil {
		return 0, 0, err
	}
	begin, used := time.Now(), processorTime()
	bytes, err := count(d)
	if err != nil {
		return 0, 0, err
	}
	rate, cpu = bytes/time.Since(begin).Seconds(), (processorTime()-used).Seconds()*1e9/bytes
	stop()
	l.close() // a write that waits for the reader returns
	return rate, cpu, sender.Wait()
}
