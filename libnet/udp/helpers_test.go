// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plainConn hides all but net.PacketConn, like a simulated network does.
type plainConn struct{ net.PacketConn }

// kinds are the ways in which a socket can be used; all must behave alike.
var kinds = []struct {
	name  string
	cfg   Config
	plain bool
}{
	{name: "offload"},
	{name: "no offload", cfg: Config{NoOffload: true}},
	{name: "no batch", cfg: Config{NoBatch: true}},
	{name: "another kind of conn", plain: true},
}

func listen(t testing.TB, address string, cfg Config, plain bool) *Socket {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	if plain {
		growBuffers(conn)
		conn = plainConn{conn}
	}
	s, err := NewConfig(conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func listenConfig(t testing.TB, address string, cfg Config) *Socket {
	t.Helper()
	return listen(t, address, cfg, false)
}

// readAll reads n datagrams as strings.
func readAll(t testing.TB, s *Socket, n int) (texts []string, from []Message) {
	t.Helper()
	in := make([]Message, 32)
	for len(texts) < n {
		got, err := s.ReadBatch(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range in[:got] {
			for b := range m.Datagrams() {
				texts = append(texts, string(b))
				from = append(from, Message{Addr: m.Addr, SegmentSize: m.SegmentSize})
			}
		}
	}
	if len(texts) != n {
		t.Fatalf("read %d datagrams, want %d", len(texts), n)
	}
	return texts, from
}

func first(texts []string, _ []Message) []string { return texts }
