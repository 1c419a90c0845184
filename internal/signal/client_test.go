// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"p2plive/internal/signal/signalpb"
)

const patience = 10 * time.Second

// fakeTracker serves every connection with one function.
func fakeTracker(t *testing.T, serve func(ctx context.Context, ws *websocket.Conn)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != ConnectPath {
			http.NotFound(w, r)
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		serve(ctx, ws)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func say(ctx context.Context, ws *websocket.Conn, m *signalpb.ServerMessage) {
	b, _ := proto.Marshal(m)
	_ = ws.Write(ctx, websocket.MessageBinary, b)
}

func hear(ctx context.Context, ws *websocket.Conn) *signalpb.ClientMessage {
	_, b, err := ws.Read(ctx)
	if err != nil {
		return nil
	}
	m := new(signalpb.ClientMessage)
	if proto.Unmarshal(b, m) != nil {
		return nil
	}
	return m
}

func goodHello(t testing.TB) *signalpb.ServerMessage {
	id := newIdentity(t).ID()
	return &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Hello{Hello: &signalpb.Hello{
		ProtocolVersion: ProtocolVersion, Nonce: id[:], ChallengeKey: id[:], TrackerKey: id[:], UdpPort: 3478, ObservedIp: "192.0.2.1",
	}}}
}

func goodWelcome() *signalpb.ServerMessage {
	return &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Welcome{Welcome: &signalpb.Welcome{}}}
}

// run starts a viewer's client; the result of Run comes after cancel or a rejection.
func run(t *testing.T, url string) (c *Client, result <-chan error, cancel func()) {
	t.Helper()
	c, err := NewClient(Config{
		URL: url, Identity: newIdentity(t), Logger: slog.New(slog.DiscardHandler),
		Announce: func(context.Context, Hello) (Announce, error) {
			return Announce{Viewer: &ViewerAnnounce{Stream: "radio"}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range c.Events() {
		}
	})
	return c, done, cancel
}

func next(t *testing.T, c *Client) Event {
	t.Helper()
	select {
	case ev := <-c.Events():
		return ev
	case <-time.After(patience):
		t.Fatal("no event")
		return nil
	}
}

func TestTrackerOfAnotherVersion(t *testing.T) {
	url := fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
		m := goodHello(t)
		m.GetHello().ProtocolVersion = 99
		say(ctx, ws, m)
		hear(ctx, ws)
	})
	c, result, _ := run(t, url)
	rejected, ok := next(t, c).(Rejected)
	var err *RejectedError
	if !ok || !errors.As(<-result, &err) || err != rejected.Err || err.Code != signalpb.Code_CODE_BAD_VERSION {
		t.Errorf("got %+v and %v", rejected, err)
	}
}

func TestNotATracker(t *testing.T) {
	rubbish := func(ctx context.Context, ws *websocket.Conn) {
		_ = ws.Write(ctx, websocket.MessageBinary, []byte("rubbish"))
		hear(ctx, ws)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for name, tt := range map[string]struct {
		url  string
		want error
	}{
		"another web server": {other.URL, ErrUnreachable},
		"rubbish":            {fakeTracker(t, rubbish), ErrProtocol},
		"text": {fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
			_ = ws.Write(ctx, websocket.MessageText, []byte("hello"))
			hear(ctx, ws)
		}), ErrProtocol},
		"huge": {fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
			_ = ws.Write(ctx, websocket.MessageBinary, make([]byte, MaxMessage+1))
			hear(ctx, ws)
		}), websocket.ErrMessageTooBig},
		"low order challenge": {fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
			m := goodHello(t)
			m.GetHello().ChallengeKey = make([]byte, 32)
			say(ctx, ws, m)
			hear(ctx, ws)
		}), ErrProtocol},
		"no welcome": {fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, goodHello(t))
			hear(ctx, ws)
			say(ctx, ws, goodHello(t))
			hear(ctx, ws)
		}), ErrProtocol},
	} {
		c, result, cancel := run(t, tt.url)
		if d, ok := next(t, c).(Disconnected); !ok || !errors.Is(d.Err, tt.want) {
			t.Errorf("%s: %v, want %v", name, d.Err, tt.want)
		}
		cancel()
		if err := <-result; err != nil {
			t.Errorf("%s: run: %v", name, err)
		}
	}
}

// TestLossesAreToldOnce: a tracker that drops every connection is one loss
// until it has said Welcome again.
func TestLossesAreToldOnce(t *testing.T) {
	var conns atomic.Int32
	url := fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
		if n := conns.Add(1); n == 2 || n == 3 {
			return
		}
		say(ctx, ws, goodHello(t))
		hear(ctx, ws)
		say(ctx, ws, goodWelcome())
		if conns.Load() > 1 {
			hear(ctx, ws)
		}
	})
	c, _, _ := run(t, url)
	var got []string
	for range 3 {
		switch next(t, c).(type) {
		case Welcome:
			got = append(got, "welcome")
		case Disconnected:
			got = append(got, "disconnected")
		}
	}
	if s := strings.Join(got, " "); s != "welcome disconnected welcome" {
		t.Errorf("events: %s", s)
	}
}

func TestByeAndMessagesOnTheWay(t *testing.T) {
	heard := make(chan *signalpb.ClientMessage, 8)
	url := fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
		say(ctx, ws, goodHello(t))
		hear(ctx, ws)
		say(ctx, ws, goodWelcome())
		for m := hear(ctx, ws); m != nil; m = hear(ctx, ws) {
			heard <- m
			if m.GetBye() != nil {
				return
			}
		}
	})
	c, result, cancel := run(t, url)
	c.SendReport(Report{BytesFromPeers: 7}) // waits in the outbox for the connection
	if _, ok := next(t, c).(Welcome); !ok {
		t.Fatal("no welcome")
	}
	if m := <-heard; m.GetReport().GetBytesFromPeers() != 7 {
		t.Errorf("heard %v, want the report", m)
	}
	began := time.Now()
	cancel()
	if m := <-heard; m.GetBye() == nil {
		t.Errorf("heard %v, want bye", m)
	}
	if err := <-result; err != nil || time.Since(began) > 2*farewellTimeout {
		t.Errorf("run: %v after %v", err, time.Since(began))
	}
}

// TestSlowOwner: events wait for their reader; none is lost and none is
// reordered.
func TestSlowOwner(t *testing.T) {
	const n = 3 * eventsSize
	url := fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
		say(ctx, ws, goodHello(t))
		hear(ctx, ws)
		say(ctx, ws, goodWelcome())
		for i := range n {
			say(ctx, ws, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Ticket{Ticket: &signalpb.Ticket{Ticket: []byte{byte(i), byte(i >> 8)}}}})
		}
		hear(ctx, ws)
	})
	c, _, _ := run(t, url)
	if _, ok := next(t, c).(Welcome); !ok {
		t.Fatal("no welcome")
	}
	for i := range n {
		ev, ok := next(t, c).(TicketRenewed)
		if !ok || ev.Ticket[0] != byte(i) || ev.Ticket[1] != byte(i>>8) {
			t.Fatalf("event %d: %+v", i, ev)
		}
	}
}

func TestNewClientChecksItsConfig(t *testing.T) {
	announce := func(context.Context, Hello) (Announce, error) { return Announce{}, nil }
	for name, cfg := range map[string]Config{
		"bad URL":     {URL: "host:7000", Identity: newIdentity(t), Announce: announce},
		"no identity": {URL: "http://host:7000", Announce: announce},
		"no announce": {URL: "http://host:7000", Identity: newIdentity(t)},
	} {
		if _, err := NewClient(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAskHello(t *testing.T) {
	announced := make(chan *signalpb.ClientMessage, 1)
	url := fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
		say(ctx, ws, goodHello(t))
		announced <- hear(ctx, ws)
	})
	hello, err := AskHello(t.Context(), url)
	if err != nil || !strings.HasSuffix(hello.TrackerUDP, ":3478") {
		t.Errorf("heard %+v, %v", hello, err)
	}
	if m := <-announced; m != nil {
		t.Errorf("announced %v", m)
	}

	rude := fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
		_ = ws.Write(ctx, websocket.MessageText, []byte("hello"))
	})
	if _, err := AskHello(t.Context(), rude); !errors.Is(err, ErrProtocol) {
		t.Errorf("another protocol: %v", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if _, err := AskHello(t.Context(), gone.URL); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestFull is told that a stream and its queue are full.
func TestFull(t *testing.T) {
	url := fakeTracker(t, func(ctx context.Context, ws *websocket.Conn) {
		say(ctx, ws, goodHello(t))
		hear(ctx, ws)
		say(ctx, ws, &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Error{Error: &signalpb.Error{
			Code: signalpb.Code_CODE_STREAM_FULL, Text: "full", RetryAfterS: 60,
		}}})
		hear(ctx, ws)
	})
	c, _, _ := run(t, url)
	var full *FullError
	if d, ok := next(t, c).(Disconnected); !ok || !errors.As(d.Err, &full) || full.After != time.Minute || full.Text != "full" {
		t.Errorf("%+v", d)
	}
}
