// SPDX-License-Identifier: GPL-3.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// HTTP is plain HTTP/1.1 with a chunked response, one chunk a message: what a server without encryption and
// without peers would do. Only the host sends.
type HTTP struct{}

// Name implements Transport.
func (HTTP) Name() string { return "http" }

// Listen implements Transport.
func (HTTP) Listen() (Host, error) {
	l, err := net.Listen("tcp4", netip.AddrPortFrom(localhost, 0).String())
	if err != nil {
		return nil, err
	}
	h := &httpHost{addr: portOf(l.Addr()), sessions: make(chan Session)}
	h.server.Handler = h
	h.serving.Go(func() { h.server.Serve(l) })
	return h, nil
}

// Dial implements Transport. The request is the hello.
func (HTTP) Dial(ctx context.Context, to Address, from netip.Addr) (Session, error) {
	// The session outlives the context of its dialling.
	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	req, err := http.NewRequestWithContext(live, http.MethodGet, "http://"+to.Addr.String()+"/", nil)
	if err != nil {
		cancel()
		return nil, err
	}
	tr := &http.Transport{DialContext: dialerFrom(from).DialContext, DisableCompression: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		cancel()
		return nil, fmt.Errorf("host answered %s", resp.Status)
	}
	return &stream{ReadWriter: readOnly{resp.Body}, close: func() error {
		cancel()
		resp.Body.Close()
		tr.CloseIdleConnections()
		return nil
	}}, nil
}

type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { return 0, errors.New("an HTTP response flows one way") }

type httpHost struct {
	addr     netip.AddrPort
	server   http.Server
	sessions chan Session
	serving  sync.WaitGroup
}

func (h *httpHost) Address() Address { return Address{Addr: h.addr} }

func (h *httpHost) Accept(ctx context.Context) (Session, error) {
	select {
	case s := <-h.sessions:
		return s, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (h *httpHost) Close() error {
	err := h.server.Close()
	h.serving.Wait()
	return err
}

func (h *httpHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "cannot flush", http.StatusInternalServerError)
		return
	}
	flusher.Flush()
	done := make(chan struct{})
	s := &httpSession{w: w, flusher: flusher, done: sync.OnceFunc(func() { close(done) })}
	select {
	case h.sessions <- s:
	case <-r.Context().Done():
		return
	}
	select {
	case <-done:
	case <-r.Context().Done():
	}
}

type httpSession struct {
	w       io.Writer
	flusher http.Flusher
	done    func()
}

func (s *httpSession) Send(_ context.Context, message []byte) error {
	if _, err := s.w.Write(message); err != nil {
		return err
	}
	s.flusher.Flush()
	return nil
}

func (s *httpSession) Receive(context.Context, int) ([]byte, error) {
	return nil, errors.New("an HTTP response flows one way")
}

func (s *httpSession) Close() error {
	s.done()
	return nil
}
