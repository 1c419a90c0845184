// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestBatchesArriveWhole(t *testing.T) {
	addresses := []struct{ name, from, to string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0"},
		{"IPv6", "[::1]:0", "[::1]:0"},
		{"both families to IPv4", ":0", "127.0.0.1:0"},
		{"both families to IPv6", ":0", "[::1]:0"},
	}
	for _, addr := range addresses {
		for _, from := range kinds {
			for _, to := range kinds {
				t.Run(fmt.Sprintf("%s/%s to %s", addr.name, from.name, to.name), func(t *testing.T) {
					a := listen(t, addr.from, from.cfg, from.plain)
					b := listen(t, addr.to, to.cfg, to.plain)
					arriveWhole(t, a, b)
				})
			}
		}
	}
}

// arriveWhole sends datagrams of mixed sizes, some of them empty, and wants the same in the same order.
func arriveWhole(t *testing.T, a, b *Socket) {
	t.Helper()
	var out []Message
	var want []string
	random := rand.New(rand.NewPCG(1, 2))
	size := 0
	for i := range maxBatch + 10 {
		if random.IntN(5) == 0 {
			size = random.IntN(1400)
		}
		text := strings.Repeat(string(rune('A'+i%50)), size)
		want = append(want, text)
		out = append(out, Message{Buf: []byte(text), Addr: b.LocalAddr()})
	}
	if n, err := a.WriteBatch(out); n != len(out) || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	got, from := readAll(t, b, len(want))
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("datagram %d has %d bytes (%.10q), want %d (%.10q)", i, len(got[i]), got[i], len(want[i]), want[i])
		}
		if addr := from[i].Addr; addr.Port() != a.LocalAddr().Port() || addr.Addr().Is4In6() {
			t.Fatalf("from %v, want port %d and no mapped address", addr, a.LocalAddr().Port())
		}
	}
}

func TestWriteBatchGoesOnAfterARefusedMessage(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			a, b := listen(t, "127.0.0.1:0", kind.cfg, kind.plain), listenConfig(t, "127.0.0.1:0", Config{})
			unreachable := netip.MustParseAddrPort("[2001:db8::1]:9") // from an IPv4 socket
			n, err := a.WriteBatch([]Message{
				{Buf: []byte("first"), Addr: b.LocalAddr()},
				{Buf: make([]byte, 1<<17), Addr: b.LocalAddr()},
				{Buf: []byte("third"), Addr: b.LocalAddr()},
				{Buf: []byte("other"), Addr: unreachable},
				{Buf: []byte("fifth"), Addr: b.LocalAddr()},
				{Buf: []byte("empty")},
				{Buf: []byte("seventh"), Addr: b.LocalAddr()},
			})
			if n != 4 || err == nil {
				t.Fatalf("WriteBatch = %d, %v; want 4 and an error", n, err)
			}
			got, _ := readAll(t, b, 4)
			if want := []string{"first", "third", "fifth", "seventh"}; !slices.Equal(got, want) {
				t.Fatalf("got %q, want %q", got, want)
			}
			if s := a.Stats(); s.DatagramsOut != 4 || s.WriteErrors != 3 {
				t.Fatalf("stats %+v, want 4 datagrams out, 3 refused", s)
			}
		})
	}
}

func TestRefusingDestinationDoesNotStopTheSocket(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			a, b := listen(t, "127.0.0.1:0", kind.cfg, kind.plain), listenConfig(t, "127.0.0.1:0", Config{})
			gone := listenConfig(t, "127.0.0.1:0", Config{})
			gone.Close()
			for range 3 {
				a.WriteBatch([]Message{{Buf: []byte("x"), Addr: gone.LocalAddr()}})
			}
			if n, err := a.WriteBatch([]Message{{Buf: []byte("there"), Addr: b.LocalAddr()}}); n != 1 || err != nil {
				t.Fatalf("WriteBatch = %d, %v", n, err)
			}
			if got, _ := readAll(t, b, 1); got[0] != "there" {
				t.Fatalf("got %q", got)
			}
			if _, err := b.WriteBatch([]Message{{Buf: []byte("back"), Addr: a.LocalAddr()}}); err != nil {
				t.Fatal(err)
			}
			if got, _ := readAll(t, a, 1); got[0] != "back" {
				t.Fatalf("got %q", got)
			}
		})
	}
}

// failingConn fails its first reads as some systems do after a refused datagram.
type failingConn struct {
	net.PacketConn
	failures int
	err      error
}

func (c *failingConn) ReadFrom(b []byte) (int, net.Addr, error) {
	if c.failures > 0 {
		c.failures--
		return 0, nil, c.err
	}
	return c.PacketConn.ReadFrom(b)
}

func TestReadPassesOverErrors(t *testing.T) {
	refused := errors.New("refused")
	tests := []struct {
		name     string
		failures int
		err      error
		want     error
		counted  uint64
	}{
		{name: "some", failures: maxReadErrors - 1, err: refused, counted: maxReadErrors - 1},
		{name: "too many", failures: maxReadErrors, err: refused, want: refused, counted: maxReadErrors},
		{name: "deadline", failures: 1, err: os.ErrDeadlineExceeded, want: os.ErrDeadlineExceeded},
		{name: "closed", failures: 1, err: net.ErrClosed, want: net.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(&failingConn{PacketConn: conn, failures: tt.failures, err: tt.err})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.WriteBatch([]Message{{Buf: []byte("self"), Addr: s.LocalAddr()}}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.ReadBatch(make([]Message, 1)); !errors.Is(err, tt.want) {
				t.Fatalf("ReadBatch: %v, want %v", err, tt.want)
			}
			if got := s.Stats().ReadErrors; got != tt.counted {
				t.Fatalf("%d errors counted, want %d", got, tt.counted)
			}
		})
	}
}

func TestLongDatagramIsCut(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			a, b := listenConfig(t, "127.0.0.1:0", Config{}), listen(t, "127.0.0.1:0", kind.cfg, kind.plain)
			long := Message{Buf: make([]byte, MaxDatagram+100), Addr: b.LocalAddr()}
			if _, err := a.WriteBatch([]Message{long, long}); err != nil {
				t.Fatal(err)
			}
			for _, text := range first(readAll(t, b, 2)) {
				if len(text) != MaxDatagram {
					t.Fatalf("%d bytes, want %d", len(text), MaxDatagram)
				}
			}
		})
	}
}

func TestEmptyBatches(t *testing.T) {
	for _, kind := range kinds {
		s := listen(t, "127.0.0.1:0", kind.cfg, kind.plain)
		if n, err := s.ReadBatch(nil); n != 0 || err != nil {
			t.Errorf("%s: ReadBatch = %d, %v", kind.name, n, err)
		}
		if n, err := s.WriteBatch(nil); n != 0 || err != nil {
			t.Errorf("%s: WriteBatch = %d, %v", kind.name, n, err)
		}
	}
}

func TestCloseEndsRead(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s := listen(t, "127.0.0.1:0", kind.cfg, kind.plain)
			done := make(chan error)
			go func() {
				_, err := s.ReadBatch(make([]Message, 1))
				done <- err
			}()
			s.Close()
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Fatalf("ReadBatch = %v, want net.ErrClosed", err)
			}
			out := []Message{{Buf: []byte("x"), Addr: netip.MustParseAddrPort("127.0.0.1:9")}}
			if _, err := s.WriteBatch(out); !errors.Is(err, net.ErrClosed) {
				t.Fatalf("WriteBatch = %v, want net.ErrClosed", err)
			}
		})
	}
}

func TestManyWriters(t *testing.T) {
	const writers, rounds, batch = 8, 4, 16
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			a, b := listen(t, "127.0.0.1:0", kind.cfg, kind.plain), listen(t, "127.0.0.1:0", kind.cfg, kind.plain)
			var running sync.WaitGroup
			for w := range writers {
				running.Go(func() { writeNumbered(t, a, b.LocalAddr(), w, rounds, batch) })
			}
			got, _ := readAll(t, b, writers*rounds*batch)
			running.Wait()
			var next [writers]int
			for _, text := range got {
				var writer, number int
				if _, err := fmt.Sscanf(text, "%d %d", &writer, &number); err != nil {
					t.Fatalf("%q: %v", text, err)
				}
				if number != next[writer] {
					t.Fatalf("writer %d: datagram %d, want %d", writer, number, next[writer])
				}
				next[writer]++
			}
		})
	}
}

func writeNumbered(t *testing.T, s *Socket, to netip.AddrPort, writer, rounds, batch int) {
	for r := range rounds {
		var out []Message
		for i := range batch {
			text := fmt.Sprintf("%d %d%s", writer, r*batch+i, strings.Repeat(" ", i%3))
			out = append(out, Message{Buf: []byte(text), Addr: to})
		}
		if n, err := s.WriteBatch(out); n != batch || err != nil {
			t.Errorf("WriteBatch = %d, %v", n, err)
		}
	}
}

func TestDatagrams(t *testing.T) {
	long := strings.Repeat("x", MaxDatagram+1)
	tests := []struct {
		name string
		buf  string
		size int
		want []string
	}{
		{"one", "abc", 0, []string{"abc"}},
		{"empty", "", 0, []string{""}},
		{"exact", "aabbcc", 2, []string{"aa", "bb", "cc"}},
		{"short end", "aabbc", 2, []string{"aa", "bb", "c"}},
		{"size of all", "aabb", 4, []string{"aabb"}},
		{"size beyond", "aabb", 9, []string{"aabb"}},
		{"negative size", "aabb", -1, []string{"aabb"}},
		{"too long", long + long, len(long), []string{long[1:], long[1:]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := Message{Buf: []byte(tt.buf), SegmentSize: tt.size}
			var got []string
			for b := range m.Datagrams() {
				got = append(got, string(b))
				if cap(b) != len(b) {
					t.Errorf("an append to %q reaches beyond it", b)
				}
			}
			if !slices.Equal(got, tt.want) || m.count() != len(tt.want) {
				t.Errorf("got %d datagrams, count %d, want %d", len(got), m.count(), len(tt.want))
			}
			for range m.Datagrams() {
				break
			}
		})
	}
}
