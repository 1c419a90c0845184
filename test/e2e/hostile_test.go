// SPDX-License-Identifier: GPL-3.0-or-later

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"p2plive/internal/signal"
)

// TestRandomDatagrams sends 10,000 datagrams of random length and content to
// each UDP port there is, while the stream runs.
func TestRandomDatagrams(t *testing.T) {
	t.Parallel()
	n := checked(t).network("demo")
	viewers := n.viewers(3)
	targets := append(nodesOf(viewers), n.tracker, n.edge, n.source)
	before := measure(targets...)
	for _, target := range targets {
		if err := flood(target.udp, 10_000); err != nil {
			t.Fatal(err)
		}
	}
	after := time.Now()
	for _, v := range viewers {
		v.awaitPlaying(t, after, startTime)
	}
	// The tracker's own service on that port still answers.
	n.viewer("viewer that comes later", n.link).awaitPlaying(t, time.Now(), playTime)
	before.checkGrowth(t)
}

// flood sends random datagrams. One in two begins like the first bytes of
// something that is known here: STUN, or a session of libnet/rudp.
func flood(addr string, count int) error {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	rng := rand.NewChaCha8([32]byte([]byte("random datagrams, the same ones!")))
	b := make([]byte, 1500)
	for i := range count {
		_, _ = rng.Read(b) // never fails
		if i%2 == 0 {
			b[0] = byte(i / 2 % 8)
		}
		size := int(rng.Uint64() % uint64(len(b)+1))
		if _, err := conn.Write(b[:size]); err != nil {
			return fmt.Errorf("datagram %d to %s: %w", i, addr, err)
		}
	}
	return nil
}

// giveUp is when every server has to have closed a connection that leads
// nowhere: some seconds above the longest of their timeouts.
const giveUp = 20 * time.Second

// TestHostileWebSockets sends rubbish, huge and slow messages to every
// WebSocket there is, while the stream runs.
func TestHostileWebSockets(t *testing.T) {
	t.Parallel()
	n := checked(t).network("demo")
	viewers := n.viewers(2)
	stream, err := streamOf(n.url)
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]struct{ host, path string }{
		"tracker": {n.tracker.http, signal.ConnectPath},
		"edge":    {n.edge.http, "/s/" + stream.ID + "/ws"},
		"viewer":  {viewers[0].http, "/ws"},
	}
	attacks := map[string]func(ctx context.Context, host, path string) error{
		"rubbish":          sendRubbish,
		"huge message":     sendHuge,
		"slow message":     sendSlowly,
		"slow request":     askSlowly,
		"rubbish for HTTP": sendRubbishRequest,
	}
	round := func() {
		ctx, cancel := context.WithTimeout(t.Context(), giveUp)
		defer cancel()
		const each = 10 // connections at the same time
		var attackers errgroup.Group
		for server, at := range servers {
			for name, attack := range attacks {
				for range each {
					attackers.Go(func() error {
						if err := attack(ctx, at.host, at.path); err != nil {
							return fmt.Errorf("%s to the %s: %w", name, server, err)
						}
						return nil
					})
				}
			}
		}
		if err := attackers.Wait(); err != nil {
			t.Error(err)
		}
	}
	round() // goroutines and buffers are kept for the next ones
	before := measure(append(nodesOf(viewers), n.tracker, n.edge, n.source)...)
	round()
	for _, v := range viewers {
		v.awaitPlaying(t, time.Now(), startTime)
		if s := v.last(t); s.FragmentsMissed != 0 {
			t.Errorf("%s missed %d fragments", v.Name, s.FragmentsMissed)
		}
	}
	before.checkGrowth(t)
}

// sendRubbish sends messages of random bytes until the server closes.
func sendRubbish(ctx context.Context, host, path string) error {
	return withSocket(ctx, host, path, func(ws *websocket.Conn) error {
		b := make([]byte, 1<<10)
		for i := 0; ; i++ {
			for j := range b {
				b[j] = byte(rand.Uint32())
			}
			kind := websocket.MessageBinary
			if i%2 == 1 {
				kind = websocket.MessageText
			}
			if err := ws.Write(ctx, kind, b[:rand.IntN(len(b))]); err != nil {
				return err
			}
		}
	})
}

// sendHuge sends one message above every limit.
func sendHuge(ctx context.Context, host, path string) error {
	return withSocket(ctx, host, path, func(ws *websocket.Conn) error {
		return ws.Write(ctx, websocket.MessageBinary, make([]byte, 8<<20))
	})
}

// withSocket runs f on a WebSocket and waits until the server has closed it.
func withSocket(ctx context.Context, host, path string, f func(*websocket.Conn) error) error {
	ws, _, err := websocket.Dial(ctx, "ws://"+host+path, nil)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer ws.CloseNow()
	ws.SetReadLimit(1 << 20)
	writer := make(chan error, 1)
	go func() { writer <- f(ws) }()
	for err == nil {
		_, _, err = ws.Read(ctx)
	}
	ws.CloseNow()
	<-writer // its error says that the server has closed
	return wasOpen(ctx)
}

// wasOpen is the error of an attack that lasted longer than it may.
func wasOpen(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the connection was still open after %v", giveUp)
	}
	return nil
}

// sendSlowly begins a message and then sends a byte of it now and then.
func sendSlowly(ctx context.Context, host, path string) error {
	return drip(ctx, host, "GET "+path+" HTTP/1.1\r\nHost: "+host+
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"+
		"\x82\xfe\x01\xf4\x00\x00\x00\x00") // a masked binary frame of 500 bytes
}

// askSlowly never comes to the end of its request.
func askSlowly(ctx context.Context, host, path string) error {
	return drip(ctx, host, "GET "+path+" HTTP/1.1\r\nX-Slow: ")
}

// sendRubbishRequest sends what is no HTTP.
func sendRubbishRequest(ctx context.Context, host, _ string) error {
	b := make([]byte, 32<<10)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return drip(ctx, host, string(b))
}

// drip sends text, then a byte every 200 ms until the server closes.
func drip(ctx context.Context, host, text string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, text); err != nil {
		return wasOpen(ctx)
	}
	b := make([]byte, 4<<10)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return wasOpen(ctx)
		}
		if _, err := conn.Read(b); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return wasOpen(ctx)
		}
		if _, err := conn.Write([]byte{'x'}); err != nil {
			return wasOpen(ctx)
		}
	}
}
