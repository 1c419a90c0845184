// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"testing"
	"time"

	"p2plive/libnet/simnet"
)

// What comes down a home's line must not take much of its narrow uplink: a
// live stream of 3 Mbit/s in pieces of 12 KiB costs its receiver less than
// 60 kbit/s with IP and UDP headers, and is not a moment later for it.
func TestAcknowledgementsAreFew(t *testing.T) {
	link := simnet.Link{Delay: 10 * time.Millisecond, Rate: 20_000_000, Overhead: 28}
	stats, bits := broadcast.to(t, link, func(*Endpoint) {}, 60*time.Millisecond)
	if bits > 60_000 {
		t.Errorf("%.0f bit/s of acknowledgements", bits)
	}
	if n := stats.Retransmits; n > 3 {
		t.Errorf("%d segments were sent again on a path that loses nothing", n)
	}
}

// A thrifty endpoint has few also where they are many otherwise: with losses, which bring parity segments, and from a
// sender whose datagrams come one by one.
func TestThriftyAcknowledgements(t *testing.T) {
	lossy := simnet.Link{Delay: 10 * time.Millisecond, Loss: 0.01, Overhead: 28}
	slow := simnet.Link{Delay: 10 * time.Millisecond, Rate: 4_000_000, Overhead: 28}
	for name, link := range map[string]simnet.Link{"loss": lossy, "slow": slow} {
		t.Run(name, func(t *testing.T) {
			_, usual := broadcast.to(t, link, func(*Endpoint) {}, time.Second)
			stats, thrifty := broadcast.to(t, link, func(e *Endpoint) { e.SetThrift(Thrifty) }, time.Second)
			if thrifty > 60_000 || thrifty > 0.6*usual {
				t.Errorf("%.0f bit/s of acknowledgements instead of %.0f", thrifty, usual)
			}
			if n, lost := float64(stats.Retransmits), 0.02*float64(stats.SegmentsOut); n > 1.5*lost+3 {
				t.Errorf("%.0f segments were sent again, some %.0f were lost", n, lost)
			}
		})
	}
}

// One that is very thrifty has few also where many short messages come, and loses nothing by it.
func TestVeryThriftyAcknowledgements(t *testing.T) {
	short := stream{pieces: 1000, size: 1000, every: 10 * time.Millisecond}
	link := simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.01, Overhead: 28}
	_, thrifty := short.to(t, link, func(e *Endpoint) { e.SetThrift(Thrifty) }, time.Second)
	stats, very := short.to(t, link, func(e *Endpoint) { e.SetThrift(VeryThrifty) }, time.Second)
	if very > thrifty/2 {
		t.Errorf("%.0f bit/s of acknowledgements instead of %.0f", very, thrifty)
	}
	if n, lost := float64(stats.Retransmits), 0.02*float64(stats.SegmentsOut); n > 1.5*lost+3 {
		t.Errorf("%.0f segments were sent again, some %.0f were lost", n, lost)
	}
}

// stream is what is sent to an endpoint.
type stream struct {
	pieces, size int
	every        time.Duration
}

// broadcast is a stream of 3 Mbit/s for ten seconds.
var broadcast = stream{pieces: 300, size: 12_500, every: 33 * time.Millisecond}

// to sends the stream to an endpoint that set has changed. It gives what the sender's session did, and the bits a second
// that the receiver sent. No piece may take longer than most.
func (s stream) to(t *testing.T, link simnet.Link, set func(*Endpoint), most time.Duration) (stats ConnStats, bits float64) {
	pair(t, link, nil, func(t *testing.T, ca, cb *Conn) {
		set(cb.ep)
		ctx := ctxFor(t, time.Minute)
		went := make(chan time.Time, s.pieces)
		done := make(chan error, 1)
		go func() {
			for range s.pieces {
				went <- time.Now()
				if err := ca.Channel(1).Send(ctx, make([]byte, s.size)); err != nil {
					done <- err
					return
				}
				time.Sleep(s.every)
			}
			done <- nil
		}()
		before := cb.Stats()
		for range s.pieces {
			if _, err := cb.Recv(ctx); err != nil {
				t.Fatal(err)
			}
			if late := time.Since(<-went); late > most {
				t.Errorf("a piece took %v", late)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		after := cb.Stats()
		sent := int(after.DatagramsOut - before.DatagramsOut)
		bytes := int(after.WireOut-before.WireOut) + 28*sent
		bits = float64(bytes) * 8 / (float64(s.pieces) * s.every.Seconds())
		stats = ca.Stats()
		t.Logf("%d datagrams for %d pieces of %d bytes each, %.0f bit/s; %d sent again", sent, s.pieces, s.size, bits, stats.Retransmits)
	})
	return stats, bits
}
