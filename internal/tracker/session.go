// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
)

// Why a session ends.
var (
	errBye       = errors.New("peer said bye")
	errSlow      = errors.New("peer does not read")
	errLastWord  = errors.New("last message sent")
	errMalformed = errors.New("malformed message")
)

// session is one WebSocket connection.
type session struct {
	t     *Tracker
	id    connID
	ws    *websocket.Conn
	ip    netip.Addr
	out   chan output // see Tracker.deliver
	rate  *rate.Limiter
	abort context.CancelCauseFunc
}

// handleConnect serves one long connection, from its upgrade to its end.
func (t *Tracker) handleConnect(w http.ResponseWriter, r *http.Request) {
	ip := remoteIP(r.RemoteAddr)
	if !t.enter() {
		http.Error(w, "the tracker is stopping", http.StatusServiceUnavailable)
		return
	}
	defer t.sessionsWG.Done()
	if !t.guard.connect(time.Now(), ip) {
		t.metrics.turned.Inc()
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	defer t.guard.disconnect(ip)
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	ws.SetReadLimit(signal.MaxMessage)
	ctx, abort := context.WithCancelCause(t.life)
	defer abort(nil)
	s := &session{
		t: t, ws: ws, ip: ip, abort: abort,
		out:  make(chan output, queueSize),
		rate: rate.NewLimiter(messageRate, messageBurst),
	}
	err = s.serve(ctx)
	t.log.Debug("connection ended", "ip", ip, "conn", s.id, "error", err)
}

// serve lets the peer announce itself and then runs the session.
func (s *session) serve(ctx context.Context) error {
	a, err := s.admit(ctx)
	if err == nil {
		err = s.t.join(s, a)
	}
	if err != nil {
		s.refuse(ctx, err)
		return err
	}
	g, run := errgroup.WithContext(ctx)
	g.Go(func() error { return s.readLoop(run) })
	g.Go(func() error { return s.writeLoop(run) })
	g.Go(func() error { return s.keepalive(run) })
	err = g.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	s.t.leave(s, errors.Is(err, errBye))
	return err
}

// admit runs the handshake: Hello out, Announce in, all within its time.
func (s *session) admit(ctx context.Context) (announcement, error) {
	ctx, cancel := context.WithTimeout(ctx, signal.HandshakeTimeout)
	defer cancel()
	defer context.AfterFunc(s.t.open, cancel)()
	hello, challenge, err := s.t.hello(s.ip)
	if err != nil {
		return announcement{}, err
	}
	msg := &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Hello{Hello: hello}}
	if err := s.write(ctx, msg); err != nil {
		return announcement{}, err
	}
	m, err := s.read(ctx)
	if err != nil {
		return announcement{}, err
	}
	if m.GetAnnounce() == nil {
		return announcement{}, fmt.Errorf("%w: the first is not an announce", errMalformed)
	}
	c := signal.Challenge{Nonce: hello.GetNonce(), TrackerKey: hello.GetTrackerKey()}
	a, no := s.t.door.check(m.GetAnnounce(), c, challenge, s.ip)
	if no != nil {
		return announcement{}, no
	}
	return a, nil
}

// refuse tells the peer why, where that is of use to it.
func (s *session) refuse(ctx context.Context, err error) {
	var no *refusal
	if errors.Is(err, errMalformed) {
		s.t.metrics.malformed.Inc()
		no = refuseMessage("rubbish")
	} else if !errors.As(err, &no) {
		return
	}
	s.t.metrics.refused.WithLabelValues(no.code.String()).Inc()
	if s.write(ctx, no.message()) == nil {
		s.awaitClose(ctx)
	}
}

// awaitClose gives the peer a moment to read the last message and to close:
// closing first, with its data unread, could destroy the message on its way.
func (s *session) awaitClose(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWordTimeout)
	defer cancel()
	for {
		if _, _, err := s.ws.Read(ctx); err != nil {
			return
		}
	}
}

// read returns the peer's next message. A peer may be silent for as long as it
// answers pings, but a message that has begun must arrive.
func (s *session) read(ctx context.Context) (*signalpb.ClientMessage, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	typ, body, err := s.ws.Reader(ctx)
	if err != nil {
		return nil, err
	}
	late := time.AfterFunc(bodyTimeout, cancel)
	b, err := io.ReadAll(body)
	late.Stop()
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return nil, fmt.Errorf("%w: too big", errMalformed)
	}
	if err != nil {
		return nil, err
	}
	if typ != websocket.MessageBinary {
		return nil, fmt.Errorf("%w: text", errMalformed)
	}
	if !s.rate.AllowN(time.Now(), 1+len(b)/messageUnit) {
		return nil, refuseRate
	}
	return decodeClient(b)
}

func decodeClient(b []byte) (*signalpb.ClientMessage, error) {
	m := new(signalpb.ClientMessage)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	if m.Body == nil {
		return nil, fmt.Errorf("%w: empty", errMalformed)
	}
	return m, nil
}

func (s *session) readLoop(ctx context.Context) error {
	for {
		m, err := s.read(ctx)
		if err == nil {
			err = s.handle(m)
		}
		if err != nil {
			s.refuse(ctx, err)
			return err
		}
	}
}

// handle acts on one message of an announced peer.
func (s *session) handle(m *signalpb.ClientMessage) error {
	t := s.t
	switch b := m.Body.(type) {
	case *signalpb.ClientMessage_Addresses:
		t.metrics.messages.WithLabelValues("addresses").Inc()
		addrs := cleanAddrs(signal.ParseAddrs(b.Addresses.GetUdpAddrs()), s.ip)
		t.setAddrs(s.id, addrs, signal.ParseMapped(b.Addresses.GetMappedAddr(), addrs))
	case *signalpb.ClientMessage_PeersRequest:
		t.metrics.messages.WithLabelValues("peers_request").Inc()
		exclude, err := decodeExclude(b.PeersRequest.GetExclude())
		if err != nil {
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
		t.requestPeers(s.id, int(min(b.PeersRequest.GetCount(), signal.MaxPeersRequest)), exclude)
	case *signalpb.ClientMessage_Report:
		t.metrics.messages.WithLabelValues("report").Inc()
		rep, err := decodeReport(b.Report)
		if err != nil {
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
		t.report(s.id, rep)
	case *signalpb.ClientMessage_BadPiece:
		t.metrics.messages.WithLabelValues("bad_piece").Inc()
		polluter, err := signal.PeerIDFromBytes(b.BadPiece.GetPolluter())
		if err != nil || len(b.BadPiece.GetEvidence()) > signal.MaxEvidence {
			return fmt.Errorf("%w: bad piece", errMalformed)
		}
		t.accuse(s.id, polluter)
	case *signalpb.ClientMessage_Nat:
		t.metrics.messages.WithLabelValues("nat").Inc()
		t.setNAT(s.id, signal.NATClass(b.Nat))
	case *signalpb.ClientMessage_Bye:
		return errBye
	default:
		return fmt.Errorf("%w: %T after the announce", errMalformed, b)
	}
	return nil
}

// writeLoop sends what the registry has for this peer.
func (s *session) writeLoop(ctx context.Context) error {
	for {
		select {
		case o := <-s.out:
			if err := s.write(ctx, o.msg); err != nil {
				return err
			}
			if o.last {
				return s.linger(ctx)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// linger is awaitClose for a session whose readLoop does the reading.
func (s *session) linger(ctx context.Context) error {
	select {
	case <-time.After(lastWordTimeout):
	case <-ctx.Done():
	}
	return errLastWord
}

func (s *session) write(ctx context.Context, m *signalpb.ServerMessage) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, signal.WriteTimeout)
	defer cancel()
	return s.ws.Write(ctx, websocket.MessageBinary, b)
}

// keepalive finds peers that are gone without a word.
func (s *session) keepalive(ctx context.Context) error {
	tick := time.NewTicker(signal.KeepaliveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		ping, cancel := context.WithTimeout(ctx, signal.KeepaliveTimeout)
		err := s.ws.Ping(ping)
		cancel()
		if err != nil {
			return fmt.Errorf("peer does not answer: %w", err)
		}
	}
}
