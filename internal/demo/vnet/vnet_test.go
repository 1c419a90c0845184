// SPDX-License-Identifier: GPL-3.0-or-later

package vnet

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T, name string) Scenario {
	t.Helper()
	sc, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// A swarm in one room, of which nothing is short: what the program promises
// of it holds to the last fragment, from the first second on.
func TestLAN(t *testing.T) {
	const viewers = 10
	seconds := 0
	r, err := Run(t.Context(), Config{
		Scenario: load(t, "lan"), Viewers: viewers, Duration: 8 * time.Second, Seed: 1, Logger: slog.New(slog.DiscardHandler),
		Progress: func(at time.Duration, _ demo.Result) error {
			if seconds++; at != time.Duration(seconds)*time.Second {
				t.Errorf("progress of second %d at %v", seconds, at)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if seconds != 8 {
		t.Errorf("%d seconds were told of", seconds)
	}
	if r.Viewers != viewers || r.FragmentsPlayed < viewers*40*6 {
		t.Errorf("%d viewers played %d fragments", r.Viewers, r.FragmentsPlayed)
	}
	if r.FragmentsMissed != 0 || r.Stalls != 0 {
		t.Errorf("%d missed, %d stalls", r.FragmentsMissed, r.Stalls)
	}
	if r.Offload < r.OffloadMax-0.05 {
		t.Errorf("offload %.3f of at most %.3f", r.Offload, r.OffloadMax)
	}
	if r.LatencyMS.P95 > 100 {
		t.Errorf("latency %+v", r.LatencyMS)
	}
	if overhead := r.ControlShare + float64(r.Duplicates)/float64(r.Pieces); overhead > 0.02 {
		t.Errorf("duplicates and control are %.3f of the media", overhead)
	}
}

// Lines with loss and narrow uplinks: everybody plays, also who could hardly
// say what has come.
func TestHome(t *testing.T) {
	sc := load(t, "home")
	sc.Warmup = 2 * time.Second
	r, err := Run(t.Context(), Config{
		Scenario: sc, Viewers: 8, Duration: 6 * time.Second, Seed: 1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if r.FragmentsPlayed < 8*40*3 || r.Offload == 0 {
		t.Errorf("%d fragments played, offload %.3f", r.FragmentsPlayed, r.Offload)
	}
	viewers, all := 0, 0.0
	for _, l := range r.Lines {
		a := l.Sent
		viewers += l.Viewers
		all += a.All * float64(l.Viewers)
		parts := a.Push + a.Repair + a.Rescue + a.Control + a.Again + a.Parity + a.Acks + a.Headers + a.Others
		most := 1.2 * float64(l.Kbit)
		if l.Kbit < 1000 { // at the start nobody knows what the line carries, and its queue drops the rest
			most = 2 * float64(l.Kbit)
		}
		if a.All > most || parts < 0.99*a.All-1 || parts > 1.01*a.All+1 {
			t.Errorf("lines of %d kbit/s carried %+v", l.Kbit, a)
		}
	}
	if all /= 8; viewers != 8 || all < r.Uplink.All-1 || all > r.Uplink.All+1 {
		t.Errorf("%d viewers sent %.1f kbit/s, %+v", viewers, all, r.Uplink)
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why, told := errors.New("enough"), 0
	_, err := Run(ctx, Config{
		Scenario: load(t, "lan"), Viewers: 1, Duration: time.Hour, Logger: slog.New(slog.DiscardHandler),
		Progress: func(time.Duration, demo.Result) error {
			told++
			cancel(why)
			return nil
		},
	})
	if !errors.Is(err, why) || told != 1 {
		t.Errorf("error %v after %d seconds", err, told)
	}
	_, err = Run(t.Context(), Config{
		Scenario: load(t, "lan"), Viewers: 1, Duration: time.Hour, Logger: slog.New(slog.DiscardHandler),
		Progress: func(time.Duration, demo.Result) error { return why },
	})
	if !errors.Is(err, why) {
		t.Errorf("error %v, want what Progress said", err)
	}
}

func TestScenarios(t *testing.T) {
	if _, err := Load("moon"); err == nil || !strings.Contains(err.Error(), "home, lan, static") {
		t.Errorf("error %v names no scenarios", err)
	}
	sc := load(t, "home")
	uplinks := sc.deal(300, rand.New(rand.NewPCG(1, 2)))
	var sum int64
	for _, u := range uplinks {
		sum += u
	}
	if index := float64(sum) / float64(300*sc.Rate); len(uplinks) != 300 || index < 1.19 || index > 1.21 {
		t.Errorf("%d uplinks carry %.3f copies", len(uplinks), index)
	}
	if slices.IsSorted(uplinks) {
		t.Error("the classes come one after the other")
	}
	if n := len(sc.deal(7, rand.New(rand.NewPCG(1, 2)))); n != 7 {
		t.Errorf("%d uplinks for 7 viewers", n)
	}
}

func TestTCP(t *testing.T) {
	w := newWorld(load(t, "lan"), 1, 1)
	defer w.net.Close()
	server, client := w.Tracker(), w.Viewer(0)
	l, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen("127.0.0.1:0"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: %v", err)
	}
	echoed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			c.Close()
		}
		echoed <- err
	}()
	c, err := client.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	if c.RemoteAddr().String() != l.Addr().String() || c.LocalAddr().String() == l.Addr().String() {
		t.Errorf("from %v to %v", c.LocalAddr(), c.RemoteAddr())
	}
	c.Close()
	if err := <-echoed; err != nil {
		t.Error(err)
	}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	if _, err := client.Dial(t.Context(), "tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial after close: %v", err)
	}
	if _, err := client.ListenPacket("nowhere"); err == nil {
		t.Error("an address without a port was bound")
	}
}
