// SPDX-License-Identifier: GPL-3.0-or-later

package tunnel

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var edge = netip.MustParseAddrPort("192.0.2.1:7100")

// pipes is a network of one server, without sockets, so that it also works in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- a:
		return b, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// world is a server whose tunnels wait to be taken, and the network to it.
type world struct {
	*pipes
	t        *testing.T
	server   *Server
	accepted chan *Conn
}

// serve runs a server. Clients appear to come from the address in their header From, or from 198.51.100.1.
func serve(t *testing.T, max int) *world {
	w := &world{
		pipes: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})},
		t:     t, accepted: make(chan *Conn, 1000),
	}
	w.server = NewServer(ServerConfig{
		Accept: func(c *Conn) { w.accepted <- c }, MaxTunnels: max,
		ClientAddr: func(r *http.Request) netip.AddrPort {
			addr, _ := netip.ParseAddr(r.Header.Get("From"))
			if !addr.IsValid() {
				addr = netip.MustParseAddr("198.51.100.1")
			}
			return netip.AddrPortFrom(addr, 1234)
		},
	})
	h := &http.Server{Handler: w.server}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = h.Serve(w.pipes) }()
	t.Cleanup(func() {
		w.server.Close()
		_ = h.Close()
		<-ended
	})
	return w
}

func (w *world) transport() *http.Transport { return &http.Transport{DialContext: w.dial} }

// pair opens a tunnel and gives both ends.
func (w *world) pair() (client, server *Conn) {
	w.t.Helper()
	c, err := dial(w.t.Context(), w.transport(), "http://edge.example:7180", edge)
	if err != nil {
		w.t.Fatal(err)
	}
	return c, <-w.accepted
}

func TestDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, 0)
		client, server := w.pair()
		defer client.Close()
		if client.RemoteAddr() != edge || server.RemoteAddr().Addr().String() != "198.51.100.1" {
			t.Errorf("peers %v and %v", client.RemoteAddr(), server.RemoteAddr())
		}
		b := make([]byte, MaxDatagram)
		for _, way := range [][2]*Conn{{client, server}, {server, client}} {
			for _, n := range []int{1, 42, 1232, MaxDatagram} {
				sent := bytes.Repeat([]byte{byte(n)}, n)
				if _, err := way[0].WriteToUDPAddrPort(sent, way[0].RemoteAddr()); err != nil {
					t.Fatal(err)
				}
				got, from, err := way[1].ReadFromUDPAddrPort(b)
				if err != nil || !bytes.Equal(b[:got], sent) || from != way[1].RemoteAddr() {
					t.Fatalf("%d bytes from %v, %v", got, from, err)
				}
			}
		}
		// As a net.PacketConn, and with less room than there are bytes.
		var pc net.PacketConn = client
		if _, err := pc.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(edge)); err != nil {
			t.Fatal(err)
		}
		n, from, err := server.ReadFrom(b[:2])
		if err != nil || string(b[:n]) != "he" || from.String() != "198.51.100.1:1234" {
			t.Errorf("%q from %v, %v", b[:n], from, err)
		}
		if !errors.Is(pc.SetDeadline(time.Now()), os.ErrNoDeadline) {
			t.Error("a deadline was taken")
		}
	})
}

// A tunnel leads to its peer and to nobody else.
func TestOnePeerOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, 0)
		client, _ := w.pair()
		defer client.Close()
		if _, err := client.WriteToUDPAddrPort([]byte{1}, netip.MustParseAddrPort("192.0.2.1:7101")); err == nil {
			t.Error("sent elsewhere")
		}
		if _, err := client.WriteToUDPAddrPort(make([]byte, MaxDatagram+1), edge); err == nil {
			t.Error("sent too much")
		}
	})
}

// What the connection cannot take is dropped: a write never waits. What was taken comes, in order.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, 0)
		client, server := w.pair()
		defer client.Close()
		taken := 0
		for {
			_, err := client.WriteToUDPAddrPort([]byte{byte(taken)}, edge)
			if errors.Is(err, ErrQueueFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			taken++
		}
		if taken < queueSize || client.Dropped() != 1 {
			t.Errorf("%d taken, %d dropped", taken, client.Dropped())
		}
		b := make([]byte, MaxDatagram)
		for i := range taken {
			if n, _, err := server.ReadFromUDPAddrPort(b); err != nil || n != 1 || b[0] != byte(i) {
				t.Fatalf("datagram %d: %v, %v", i, b[:n], err)
			}
		}
	})
}

// What was written before Close still comes, if the peer reads; if it does not, Close does not wait for long.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, 0)
		client, server := w.pair()
		for range 10 {
			if _, err := client.WriteToUDPAddrPort([]byte("bye"), edge); err != nil {
				t.Fatal(err)
			}
		}
		go client.Close()
		b := make([]byte, MaxDatagram)
		for range 10 {
			if _, _, err := server.ReadFromUDPAddrPort(b); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := server.ReadFromUDPAddrPort(b); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		<-server.Done()
		if _, err := server.WriteToUDPAddrPort([]byte{1}, server.RemoteAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}

		client, _ = w.pair()
		if _, err := client.WriteToUDPAddrPort([]byte("bye"), edge); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		client.Close()
		client.Close()
		if took := time.Since(begin); took != lingerTimeout {
			t.Errorf("took %v", took)
		}
	})
}

// A client that says nothing loses its tunnel, and so does one that falls silent.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, 0)
		client, server := w.pair()
		defer client.Close()
		b := make([]byte, MaxDatagram)
		begin := time.Now()
		if _, _, err := server.ReadFromUDPAddrPort(b); !errors.Is(err, net.ErrClosed) || time.Since(begin) != firstTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		client, server = w.pair()
		defer client.Close()
		if _, err := client.WriteToUDPAddrPort([]byte{1}, edge); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.ReadFromUDPAddrPort(b); err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		if _, _, err := server.ReadFromUDPAddrPort(b); !errors.Is(err, net.ErrClosed) || time.Since(begin) != idleTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// Whatever is not a datagram ends the tunnel.
func TestHostileClient(t *testing.T) {
	for name, send := range map[string]func(ctx context.Context, ws *websocket.Conn) error{
		"text": func(ctx context.Context, ws *websocket.Conn) error {
			return ws.Write(ctx, websocket.MessageText, []byte("hello"))
		},
		"too long": func(ctx context.Context, ws *websocket.Conn) error {
			return ws.Write(ctx, websocket.MessageBinary, make([]byte, MaxDatagram+1))
		},
		"half a message": func(ctx context.Context, ws *websocket.Conn) error {
			w, err := ws.Writer(ctx, websocket.MessageBinary)
			if err == nil {
				_, err = w.Write(make([]byte, 8<<10))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, 0)
				ws, _, err := websocket.Dial(t.Context(), "http://edge.example"+Path, &websocket.DialOptions{
					HTTPClient: &http.Client{Transport: w.transport()},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer ws.CloseNow()
				sent := make(chan error, 1)
				go func() { sent <- send(t.Context(), ws) }()
				b := make([]byte, MaxDatagram)
				server := <-w.accepted
				for err = nil; err == nil; {
					_, _, err = server.ReadFromUDPAddrPort(b)
				}
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				<-sent
			})
		})
	}
}

// Neither one address nor all together get more tunnels than there is room for; those that end leave it to others.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, maxPerAddress+1)
		open := func(from string) (*websocket.Conn, int) {
			ws, resp, err := websocket.Dial(t.Context(), "http://edge.example"+Path, &websocket.DialOptions{
				HTTPClient: &http.Client{Transport: w.transport()}, HTTPHeader: http.Header{"From": {from}},
			})
			if err != nil {
				return nil, resp.StatusCode
			}
			return ws, http.StatusSwitchingProtocols
		}
		var mine []*websocket.Conn
		for range maxPerAddress {
			ws, status := open("2001:db8:1::1")
			if ws == nil {
				t.Fatal(status)
			}
			mine = append(mine, ws)
		}
		if _, status := open("2001:db8:1::2"); status != http.StatusServiceUnavailable {
			t.Errorf("one more of the same network: %d", status)
		}
		other, status := open("2001:db8:2::1")
		if other == nil {
			t.Fatal(status)
		}
		if _, status := open("198.51.100.1"); status != http.StatusServiceUnavailable {
			t.Errorf("one more in all: %d", status)
		}
		mine[0].CloseNow()
		b := make([]byte, MaxDatagram)
		if _, _, err := (<-w.accepted).ReadFromUDPAddrPort(b); err == nil {
			t.Error("a tunnel has outlived its connection")
		}
		synctest.Wait()
		if ws, status := open("198.51.100.1"); ws == nil {
			t.Errorf("the place that was left: %d", status)
		} else {
			ws.CloseNow()
		}
		for _, ws := range append(mine, other) {
			ws.CloseNow()
		}
	})
}

func TestServerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, 0)
		client, _ := w.pair()
		defer client.Close()
		w.server.Close()
		if _, _, err := client.ReadFromUDPAddrPort(make([]byte, MaxDatagram)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := dial(t.Context(), w.transport(), "http://edge.example", edge); err == nil {
			t.Error("a closed server has accepted a tunnel")
		}
	})
}

// Dial fails in plain words where there is no tunnel, and does not follow to a network's login page.
func TestDialFails(t *testing.T) {
	page := httptest.NewServer(http.RedirectHandler("http://192.0.2.9/login", http.StatusFound))
	defer page.Close()
	for _, base := range []string{page.URL, "ftp://edge.example", "http://bad host/"} {
		if _, err := Dial(t.Context(), base, edge); err == nil || !strings.Contains(err.Error(), "tunnel") {
			t.Errorf("%s: %v", base, err)
		}
	}
}
