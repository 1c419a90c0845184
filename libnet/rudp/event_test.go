// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/rudp/internal/arq"
	"p2plive/libnet/simnet"
)

// recorder keeps the events of an endpoint.
type recorder struct {
	mu  sync.Mutex
	all []Event
}

func (r *recorder) record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

func (r *recorder) into(c *Config) { c.OnEvent = r.record }

// eventsOf gives what was recorded of one type.
func eventsOf[T EventData](r *recorder) (of []T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.all {
		if d, ok := e.Data.(T); ok {
			of = append(of, d)
		}
	}
	return of
}

func TestEventsOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		var ra, rb recorder
		initiations := 0
		a := w.tapped(simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.02}, func(b []byte) [][]byte {
			if b[0] == typeInitiation {
				if initiations++; initiations == 1 {
					return nil
				}
			}
			return [][]byte{b}
		}, ra.into)
		_, pc := w.host(near, near)
		roam := newRoamer(pc)
		b := start(t, roam, rb.into)
		w.all = append(w.all, b)
		ca, cb := connect(t, a, b)
		ctx := ctxFor(t, time.Hour)

		sent := sendNumbered(ctx, ca.Channel(1), 400, 8<<10)
		if err := recvNumbered(ctx, cb.Channel(1), 400, 8<<10); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		_, elsewhere := w.host(near, near)
		roam.move(elsewhere)
		time.Sleep(rekeyInterval + time.Minute)
		ca.CloseWithCode(CodeApplication, "enough")
		time.Sleep(time.Second)

		wantUp(t, &ra, &rb, a.LocalAddr(), b.LocalAddr())
		lost := 0
		for _, l := range eventsOf[LossDetected](&ra) {
			lost += l.Bytes
		}
		if lost == 0 || len(eventsOf[WindowChanged](&ra)) < 3 {
			t.Errorf("%d bytes lost, %d window changes", lost, len(eventsOf[WindowChanged](&ra)))
		}
		if got := eventsOf[PathChanged](&ra); len(got) != 1 || got[0].To != ca.RemoteAddr() || got[0].From == got[0].To {
			t.Errorf("path changes: %+v", got)
		}
		for i, r := range []*recorder{&ra, &rb} {
			wantRekeyed(t, r)
			wantDown(t, r, i == 1)
			wantWhole(t, r)
		}
	})
}

func wantUp(t *testing.T, dialler, responder *recorder, from, to netip.AddrPort) {
	t.Helper()
	if got := eventsOf[HandshakeRetried](dialler); len(got) == 0 || got[0].Cookie || got[0].Addr != to {
		t.Errorf("retries: %+v", got)
	}
	if got := eventsOf[SessionUp](dialler); len(got) != 1 || !got[0].Dialed || got[0].Took < handshakeRetry {
		t.Errorf("dialler's session up: %+v", got)
	}
	if got := eventsOf[SessionUp](responder); len(got) != 1 || got[0].Dialed || got[0].Addr != from {
		t.Errorf("responder's session up: %+v", got)
	}
}

// wantRekeyed: once in each direction.
func wantRekeyed(t *testing.T, r *recorder) {
	t.Helper()
	sending := 0
	got := eventsOf[Rekeyed](r)
	for _, k := range got {
		if k.Epoch != 1 {
			t.Errorf("epoch %d", k.Epoch)
		}
		if k.Sending {
			sending++
		}
	}
	if len(got) != 2 || sending != 1 {
		t.Errorf("rekeyed: %+v", got)
	}
}

func wantDown(t *testing.T, r *recorder, remote bool) {
	t.Helper()
	got := eventsOf[SessionDown](r)
	var cause *CloseError
	if len(got) != 1 || !errors.As(got[0].Cause, &cause) || cause.Code != CodeApplication || cause.Remote != remote {
		t.Errorf("session down (closed by the other side: %v): %+v", remote, got)
	}
}

// wantWhole: what all events have.
func wantWhole(t *testing.T, r *recorder) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.all {
		if e.Session == 0 || e.Peer.IsZero() || e.Time.IsZero() || e.Data.EventName() == "" {
			t.Errorf("incomplete: %+v", e)
		}
	}
}

func TestEventsOfQueuesAndHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		var ra, rb recorder
		a, host := w.endpoint(near, ra.into)
		b, _ := w.endpoint(near, rb.into)
		ca, _ := connect(t, a, b)
		ctx := ctxFor(t, time.Minute)

		host.Down(true)
		for i := range 20 {
			err := ca.Channel(5).SendMessage(ctx, numbered(i, 16<<10), SendOptions{Deadline: time.Now().Add(time.Second)})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3 * time.Second)
		host.Down(false)
		time.Sleep(3 * time.Second)
		expired := 0
		for _, q := range eventsOf[QueueExpired](&ra) {
			if q.Channel != 5 {
				t.Errorf("%+v", q)
			}
			expired += q.Messages
		}
		if s := ca.Stats(); expired == 0 || expired != int(s.Expired) {
			t.Errorf("%d messages expired by events, %d by stats", expired, s.Expired)
		}
		timeouts := 0
		for _, l := range eventsOf[LossDetected](&ra) {
			if l.Timeout {
				timeouts++
			}
		}
		if timeouts == 0 {
			t.Error("no loss by a timeout was told")
		}

		if _, err := a.Dial(ctx, b.LocalAddr(), newIdentity(t).ID()); err == nil {
			t.Fatal("a wrong key was dialled")
		}
		if got := eventsOf[HandshakeFailed](&ra); len(got) != 1 || !errors.Is(got[0].Cause, ErrHandshakeTimeout) || got[0].Addr != b.LocalAddr() {
			t.Errorf("failed handshakes: %+v", got)
		}

		attacker := w.raw()
		d, err := newInitiation(newIdentity(t), nil, 1, newIdentity(t).ID())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2000 { // in a second
			binary.BigEndian.PutUint32(d.datagram[initHeaderLen:], uint32(i))
			writeTo(t, attacker, d.datagram, b.LocalAddr())
			time.Sleep(500 * time.Microsecond)
		}
		time.Sleep(time.Second)
		limited, events := 0, eventsOf[HandshakeLimited](&rb)
		for _, l := range events {
			limited += l.Dropped + l.Asked
		}
		if len(events) < 5 || len(events) > 11 || limited < 1000 {
			t.Errorf("%d events of %d limited handshakes", len(events), limited)
		}
	})
}

// Without a hook, what would be told costs no allocation.
func TestNoEventsCostNothing(t *testing.T) {
	pair(t, near, nil, func(t *testing.T, ca, cb *Conn) {
		now := time.Now()
		ca.mu.Lock()
		defer ca.mu.Unlock()
		if n := testing.AllocsPerRun(100, func() {
			ca.hear(arq.Feedback{Acked: 1200, Lost: 1200, RTT: 20_000})
			ca.judge(now)
		}); n != 0 {
			t.Errorf("%v allocations for each batch of acknowledgements", n)
		}
	})
}

func TestDump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		a, host := w.endpoint(near, nil)
		b, _ := w.endpoint(near, nil)
		c, _ := w.endpoint(near, nil)
		ca, _ := connect(t, a, b)
		other, _ := connect(t, a, c)
		ctx := ctxFor(t, time.Minute)
		host.Down(true)
		for i := range 4 {
			if err := ca.Channel(3).Send(ctx, numbered(i, 60<<10)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		var text bytes.Buffer
		if err := a.Dump(&text); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
		if len(lines) != 3 {
			t.Fatalf("%d lines:\n%s", len(lines), &text)
		}
		waiting := ca.Stats().SendQueue
		for i, words := range [][]string{
			{"endpoint=" + a.ID().String(), "sessions=2", "addr=" + a.LocalAddr().String()},
			{"session=" + ca.ID().String(), "state=open", "peer=" + b.ID().String(), "rtt=20ms", fmt.Sprintf("channel3=out:%d,", waiting)},
			{"session=" + other.ID().String(), "peer=" + c.ID().String(), "inflight=0"},
		} {
			for _, word := range words {
				if !strings.Contains(lines[i], word) {
					t.Errorf("line %d has no %q: %s", i, word, lines[i])
				}
			}
		}
		t.Logf("\n%s", &text)
		if err := a.Dump(brokenWriter{}); !errors.Is(err, errBrokenWriter) {
			t.Errorf("to a writer that fails: %v", err)
		}
	})
}

type brokenWriter struct{}

var errBrokenWriter = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBrokenWriter }
