// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// The upload limit holds for all sessions together, and can be lifted while data waits.
func TestUploadLimit(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, time.Hour)
		ca.ep.SetUploadLimit(250_000) // 2 Mbit/s
		const count, size = 200, 8 << 10
		begin := time.Now()
		sent := sendNumbered(ctx, ca.Channel(1), count, size)
		if err := recvNumbered(ctx, cb.Channel(1), count/2, size); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin).Seconds(); took < 3.2 || took > 3.7 {
			t.Errorf("800 KiB took %.2f s", took)
		}
		ca.ep.SetUploadLimit(0)
		begin = time.Now()
		for i := count / 2; i < count; i++ {
			msg, err := cb.Channel(1).Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkNumbered(msg, i, size); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("without limit they took %v", took)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

// What is urgent overtakes what was queued before on other channels.
func TestPriority(t *testing.T) {
	slow := simnet.Link{Delay: 5 * time.Millisecond, Rate: 2e6}
	pair(t, slow, nil, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, time.Hour)
		bulk, urgent := ca.Channel(1), ca.Channel(2)
		bulk.SetPriority(Background)
		urgent.SetPriority(Rescue)
		const count = 100
		sent := sendNumbered(ctx, bulk, count, 4000)
		read := make(chan error, 1)
		go func() { read <- recvNumbered(ctx, cb.Channel(1), count, 4000) }()
		time.Sleep(500 * time.Millisecond)
		for i := range 5 {
			begin := time.Now()
			if err := urgent.Send(ctx, numbered(i, 1000)); err != nil {
				t.Fatal(err)
			}
			if _, err := cb.Channel(2).Recv(ctx); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 100*time.Millisecond { // with what the path itself holds
				t.Errorf("an urgent message took %v", took)
			}
		}
		for _, c := range []<-chan error{sent, read} {
			if err := <-c; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Messages past their deadline do not leave, and the receiver learns how many.
func TestDeadline(t *testing.T) {
	slow := simnet.Link{Delay: 5 * time.Millisecond, Rate: 1e6}
	pair(t, slow, nil, func(t *testing.T, ca, cb *Conn) {
		ctx := ctxFor(t, time.Minute)
		ch := ca.Channel(1)
		const count = 40
		for i := range count { // 2.6 s at 1 Mbit/s
			err := ch.SendMessage(ctx, numbered(i, 8<<10), SendOptions{Deadline: time.Now().Add(time.Second), NoWait: true})
			if err != nil {
				t.Fatal(i, err)
			}
		}
		if err := ch.Send(ctx, numbered(count, 100)); err != nil {
			t.Fatal(err)
		}
		next, skipped := 0, 0
		for next <= count {
			m, err := cb.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			next, skipped = next+m.Skipped, skipped+m.Skipped
			if err := checkNumbered(m.Data, next, len(m.Data)); err != nil {
				t.Fatal(err)
			}
			next++
		}
		if skipped < 20 || skipped > 32 || ca.Stats().Expired != uint64(skipped) || cb.Stats().Skipped != uint64(skipped) {
			t.Errorf("%d of %d were skipped; %+v", skipped, count, ca.Stats())
		}
		for i := range 1000 {
			if err := ch.SendMessage(ctx, numbered(i, MaxMessage), SendOptions{NoWait: true}); err == ErrQueueFull {
				return
			}
		}
		t.Error("the queue has no end")
	})
}

// On a line that is known, taken for more than it is, and asked for all of that, everybody waits for the same time, also
// who is to get four times as much as the others and acknowledges later: nobody takes the line's queue for its own.
func TestKnownLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, sessions, share, seconds, size = 5e6, 6, 4, 20, 6 << 10
		w := newWorld(t, 1)
		defer w.close()
		line := simnet.Link{Delay: 25 * time.Millisecond, Loss: 0.01, Overhead: 28, Jitter: 5 * time.Millisecond}
		a, home := w.endpoint(line, nil)
		up := line
		up.Rate, up.Queue = rate, rate/8/5
		home.SetUp(up)
		a.SetLine(720_000) // of 625,000
		ctx := ctxFor(t, time.Minute)
		waited := make([][]time.Duration, sessions)
		var readers sync.WaitGroup
		var out []*Conn
		for i := range sessions {
			b, _ := w.endpoint(line, nil)
			if i == 0 {
				b.SetThrift(VeryThrifty)
			}
			ca, cb := connect(t, a, b)
			out = append(out, ca)
			readers.Go(func() {
				for {
					m, err := cb.Recv(ctx)
					if err != nil {
						return
					}
					var sent time.Time
					if err := sent.UnmarshalBinary(m.Data[:15]); err != nil {
						t.Error(err)
						return
					}
					waited[i] = append(waited[i], time.Since(sent))
				}
			})
		}
		const messages = sessions - 1 + share
		bits := 1.06 * 8 * float64(messages*size)
		every := time.Duration(bits / rate * float64(time.Second))
		message := make([]byte, size)
		for begin := time.Now(); time.Since(begin) < seconds*time.Second; time.Sleep(every) {
			now, err := time.Now().MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			copy(message, now)
			for i := range messages {
				to := max(i-share+1, 0)
				if err := out[to].Channel(1).SendMessage(ctx, message, SendOptions{NoWait: true}); err != nil {
					t.Fatalf("session %d: %v", to, err)
				}
			}
		}
		time.Sleep(5 * time.Second)
		for _, c := range out {
			c.Close("done")
		}
		readers.Wait()
		var medians []time.Duration
		for i, w := range waited {
			slices.Sort(w)
			medians = append(medians, w[len(w)/2])
			t.Logf("session %d: %d messages, p50 %v, p95 %v", i, len(w), w[len(w)/2], w[len(w)*95/100])
		}
		if least, most := slices.Min(medians), slices.Max(medians); most > least*5/4 {
			t.Errorf("half of the messages of one session take up to %v, and of another one up to %v", least, most)
		}
	})
}
