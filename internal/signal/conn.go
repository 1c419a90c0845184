// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"p2plive/internal/signal/signalpb"
	"p2plive/libnet/rudp"
)

// errClosing is why the tracker's Bye ends a connection.
var errClosing = errors.New("tracker closed the connection")

// connect runs one connection: dial, handshake, then messages both ways until
// something ends it.
func (c *Client) connect(ctx context.Context, up func()) error {
	ws, hello, welcome, err := c.handshake(ctx)
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	up()
	c.emit(ctx, welcomeEvent(welcome, hello))

	// The group outlives ctx by the time it takes to say Bye.
	run, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	g, run := errgroup.WithContext(run)
	g.Go(func() error { return c.readLoop(run, ctx, ws) })
	g.Go(func() error { return c.writeLoop(run, ctx, ws) })
	g.Go(func() error { return c.keepalive(run, ws) })
	return g.Wait()
}

func (c *Client) handshake(ctx context.Context) (*websocket.Conn, Hello, *signalpb.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*HandshakeTimeout)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, c.url.JoinPath(ConnectPath).String(), &websocket.DialOptions{HTTPClient: c.http})
	if err != nil {
		if resp != nil {
			return nil, Hello{}, nil, fmt.Errorf("%w: it answers %s", ErrUnreachable, resp.Status)
		}
		return nil, Hello{}, nil, unreachable(err)
	}
	ws.SetReadLimit(MaxMessage)
	hello, welcome, err := c.introduceSelf(ctx, ws)
	if err != nil {
		ws.CloseNow()
		return nil, Hello{}, nil, err
	}
	return ws, hello, welcome, nil
}

func (c *Client) introduceSelf(ctx context.Context, ws *websocket.Conn) (Hello, *signalpb.Welcome, error) {
	m, err := receive(ctx, ws)
	if err != nil {
		return Hello{}, nil, err
	}
	if err := refusal(m); err != nil {
		return Hello{}, nil, err
	}
	hello, err := checkHello(m.GetHello(), c.url.Hostname())
	if err != nil {
		return Hello{}, nil, err
	}
	announce, err := c.cfg.Announce(ctx, hello)
	if err != nil {
		return Hello{}, nil, fmt.Errorf("announce: %w", err)
	}
	challenge := Challenge{Nonce: m.GetHello().GetNonce(), TrackerKey: hello.TrackerKey, Peer: PeerID(c.cfg.Identity.ID())}
	if hello.requests, err = challenge.RequestKey(c.cfg.Identity, rudp.PeerID(m.GetHello().GetChallengeKey())); err != nil {
		return Hello{}, nil, fmt.Errorf("%w: bad challenge: %w", ErrProtocol, err)
	}
	out, err := announce.message(c.cfg.Identity, challenge, rudp.PeerID(m.GetHello().GetChallengeKey()))
	if err != nil {
		return Hello{}, nil, err
	}
	if err := send(ctx, ws, out); err != nil {
		return Hello{}, nil, err
	}
	if m, err = receive(ctx, ws); err != nil {
		return Hello{}, nil, err
	}
	if err := refusal(m); err != nil {
		return Hello{}, nil, err
	}
	if m.GetWelcome() == nil {
		return Hello{}, nil, fmt.Errorf("%w: no welcome", ErrProtocol)
	}
	return hello, m.GetWelcome(), nil
}

// refusal is the error in a message that carries one: a *RejectedError when
// there is no use in trying again.
func refusal(m *signalpb.ServerMessage) error {
	switch b := m.Body.(type) {
	case *signalpb.ServerMessage_Error:
		if b.Error.GetFatal() {
			return &RejectedError{Code: b.Error.GetCode(), Text: b.Error.GetText(), Hint: b.Error.GetHint()}
		}
		if after := b.Error.GetRetryAfterS(); after > 0 {
			return &FullError{Text: b.Error.GetText(), After: min(time.Duration(after)*time.Second, maxRetryAfter)}
		}
		return fmt.Errorf("tracker says: %s", b.Error.GetText())
	case *signalpb.ServerMessage_Bye:
		return fmt.Errorf("%w: %s", errClosing, b.Bye.GetReason())
	}
	return nil
}

func receive(ctx context.Context, ws *websocket.Conn) (*signalpb.ServerMessage, error) {
	typ, b, err := ws.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read from tracker: %w", err)
	}
	if typ != websocket.MessageBinary {
		return nil, fmt.Errorf("%w: text message", ErrProtocol)
	}
	return decodeServer(b)
}

func send(ctx context.Context, ws *websocket.Conn, m *signalpb.ClientMessage) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, WriteTimeout)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageBinary, b); err != nil {
		return fmt.Errorf("write to tracker: %w", err)
	}
	return nil
}

// readLoop hands on what the tracker says. It goes on reading while Bye is on
// its way, but tells nothing more to an owner that has gone.
func (c *Client) readLoop(ctx, owner context.Context, ws *websocket.Conn) error {
	for {
		m, err := receive(ctx, ws)
		if err != nil {
			return err
		}
		if err := refusal(m); err != nil {
			return err
		}
		ev, err := eventOf(m)
		if err != nil {
			return err
		}
		if ev != nil {
			c.emit(owner, ev)
		}
	}
}

// writeLoop empties the outbox, and says Bye when the owner goes.
func (c *Client) writeLoop(ctx, owner context.Context, ws *websocket.Conn) error {
	for {
		for m := c.outbox.take(); m != nil; m = c.outbox.take() {
			if err := send(ctx, ws, m); err != nil {
				return err
			}
			if owner.Err() != nil {
				break
			}
		}
		select {
		case <-c.outbox.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-owner.Done():
			return sayBye(ctx, ws)
		}
	}
}

// sayBye tells the tracker that this peer leaves on purpose, and gives it a
// moment to close: closing first, with unread data, could destroy the message
// on its way.
func sayBye(ctx context.Context, ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	bye := &signalpb.ClientMessage{Body: &signalpb.ClientMessage_Bye{Bye: &signalpb.Bye{Reason: "stopping"}}}
	if err := send(ctx, ws, bye); err != nil {
		return err
	}
	<-ctx.Done() // ends early when readLoop sees the connection close
	return context.Canceled
}

// keepalive finds a tracker that is gone without a word.
func (c *Client) keepalive(ctx context.Context, ws *websocket.Conn) error {
	tick := time.NewTicker(KeepaliveInterval)
	defer tick.Stop()
	for {
		limit := KeepaliveTimeout
		select {
		case <-tick.C:
		case <-c.check:
			limit = checkTimeout
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		ping, cancel := context.WithTimeout(ctx, limit)
		err := ws.Ping(ping)
		cancel()
		if err != nil {
			return fmt.Errorf("tracker does not answer: %w", err)
		}
	}
}
