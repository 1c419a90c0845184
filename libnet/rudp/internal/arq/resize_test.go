// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// However often the size of segments changes, and in the midst of messages, all arrive as they were, and the count of
// what is queued stays right. Segments of any size so far are sent again where there is room for the longest.
func TestSetMaxPayload(t *testing.T) {
	const short, long = 1172, 1392
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		cfg := Config{Conv: 7, MaxPayload: short, ShortPayload: short, RecvWindow: 400, MaxMessage: testMessage, Extended: true}
		a, b := New(cfg), New(cfg)
		const count = 300
		var want [][]byte
		got, now, longest, acked := 0, Time(1_000_000), 0, false
		buf := make([]byte, ShortLen+long)
		for round := 0; got < count; round++ {
			if round > 100_000 {
				t.Fatal("no end")
			}
			now += 2 * millisecond
			if rnd.IntN(4) == 0 {
				a.SetMaxPayload([]int{short, 1312, 1372, long}[rnd.IntN(4)])
			}
			for len(want) < count && a.Queued() < 60 {
				msg := make([]byte, 1+rnd.IntN(20_000))
				for i := range msg {
					msg[i] = byte(rnd.Uint32())
				}
				a.Send(msg, 0)
				want = append(want, msg)
			}
			if at := a.Deadline(); at != 0 && at <= now {
				a.OnTimer(now)
			}
			for a.Ready(now) && a.InFlight() < 100 {
				n, kind := a.Next(now, buf)
				if kind == None {
					t.Fatal("ready, and there is nothing")
				}
				longest = max(longest, n-ShortLen)
				if rnd.IntN(20) > 0 {
					if _, err := b.Input(now, buf[:n]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if a.queue.n == 0 && a.Queued() != 0 || a.queue.n > 0 && a.Queued() <= 0 {
				t.Fatalf("%d segments queued in %d messages", a.Queued(), a.queue.n)
			}
			for b.Telling() {
				f, err := a.Input(now, b.AppendControl(nil, 1000))
				if err != nil {
					t.Fatal(err)
				}
				acked = acked || f.LongAcked
			}
			for ; b.Readable(); got++ {
				if data, _, _ := b.Recv(); !bytes.Equal(data, want[got]) {
					t.Fatalf("message %d is another, or not whole", got)
				}
			}
		}
		if longest != long || !acked || b.Violated() {
			t.Errorf("segments of at most %d bytes, long ones seen to arrive: %v", longest, acked)
		}
	}
}
