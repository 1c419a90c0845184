// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plainConn hides all but net.PacketConn, like a simulated network does.
type plainConn struct{ net.PacketConn }

func listen(t testing.TB, address string, plain bool) *Socket {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	if plain {
		conn = plainConn{conn}
	}
	s, err := New(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestBatchesArriveWhole(t *testing.T) {
	tests := []struct {
		name             string
		from, to         string
		plainIn, plainTo bool
	}{
		{name: "IPv4", from: "127.0.0.1:0", to: "127.0.0.1:0"},
		{name: "IPv6", from: "[::1]:0", to: "[::1]:0"},
		{name: "both families to IPv4", from: ":0", to: "127.0.0.1:0"},
		{name: "both families to IPv6", from: ":0", to: "[::1]:0"},
		{name: "another kind of conn", from: "127.0.0.1:0", to: "127.0.0.1:0", plainIn: true, plainTo: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := listen(t, tt.from, tt.plainIn), listen(t, tt.to, tt.plainTo)
			const count = maxBatch + 10
			var out []Message
			for i := range count {
				out = append(out, Message{Buf: fmt.Appendf(nil, "datagram %d", i), Addr: b.LocalAddr()})
			}
			if n, err := a.WriteBatch(out); n != count || err != nil {
				t.Fatalf("WriteBatch = %d, %v", n, err)
			}
			in := make([]Message, 32)
			for got := 0; got < count; {
				n, err := b.ReadBatch(in)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range in[:n] {
					if want := fmt.Sprintf("datagram %d", got); string(m.Buf) != want {
						t.Fatalf("got %q, want %q", m.Buf, want)
					}
					if m.Addr.Port() != a.LocalAddr().Port() || m.Addr.Addr().Is4In6() {
						t.Fatalf("from %v, want port %d and no mapped address", m.Addr, a.LocalAddr().Port())
					}
					got++
				}
			}
		})
	}
}

func TestWriteBatchGoesOnAfterARefusedMessage(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", false), listen(t, "127.0.0.1:0", false)
	out := []Message{
		{Buf: []byte("first"), Addr: b.LocalAddr()},
		{Buf: make([]byte, 1<<17), Addr: b.LocalAddr()},
		{Buf: []byte("third"), Addr: b.LocalAddr()},
	}
	n, err := a.WriteBatch(out)
	if n != 2 || err == nil {
		t.Fatalf("WriteBatch = %d, %v; want 2 and an error", n, err)
	}
	in := make([]Message, 4)
	for _, want := range []string{"first", "third"} {
		if n, err := b.ReadBatch(in[:1]); n != 1 || err != nil || string(in[0].Buf) != want {
			t.Fatalf("ReadBatch = %d, %v, %q; want %q", n, err, in[0].Buf, want)
		}
	}
}

func TestLongDatagramIsCut(t *testing.T) {
	for _, plain := range []bool{false, true} {
		a, b := listen(t, "127.0.0.1:0", false), listen(t, "127.0.0.1:0", plain)
		if _, err := a.WriteBatch([]Message{{Buf: make([]byte, MaxDatagram+100), Addr: b.LocalAddr()}}); err != nil {
			t.Fatal(err)
		}
		in := make([]Message, 1)
		if n, err := b.ReadBatch(in); n != 1 || err != nil || len(in[0].Buf) != MaxDatagram {
			t.Fatalf("ReadBatch = %d, %v, %d bytes", n, err, len(in[0].Buf))
		}
	}
}

func TestCloseEndsRead(t *testing.T) {
	for _, plain := range []bool{false, true} {
		s := listen(t, "127.0.0.1:0", plain)
		done := make(chan error)
		go func() {
			_, err := s.ReadBatch(make([]Message, 1))
			done <- err
		}()
		s.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("ReadBatch = %v, want net.ErrClosed", err)
		}
		if _, err := s.WriteBatch([]Message{{Buf: []byte("x"), Addr: netip.MustParseAddrPort("127.0.0.1:9")}}); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("WriteBatch = %v, want net.ErrClosed", err)
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	src, dst := listen(b, "127.0.0.1:0", false), listen(b, "127.0.0.1:0", false)
	out := make([]Message, 32)
	for i := range out {
		out[i] = Message{Buf: make([]byte, 1232), Addr: dst.LocalAddr()}
	}
	in := make([]Message, 32)
	b.SetBytes(32 * 1232)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := src.WriteBatch(out); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < len(out); {
			n, err := dst.ReadBatch(in)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}
