// SPDX-License-Identifier: GPL-3.0-or-later

// Package rtmp takes the stream of an encoder, such as OBS or ffmpeg, that
// publishes over RTMP or Enhanced RTMP. Encoders come and go; the input stays.
package rtmp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"p2plive/internal/media"
)

// ErrAddress is returned for a URL that cannot be listened on.
var ErrAddress = errors.New("bad RTMP address")

// Options of an Input.
type Options struct {
	StreamKey string       // publishers must name it; any key if empty
	Logger    *slog.Logger // default slog.Default
}

// Input waits for a publisher, takes its stream, and waits for the next.
type Input struct {
	listener net.Listener
	key      string
	log      *slog.Logger
	start    time.Time // origin of the timestamps

	mu      sync.Mutex
	conns   map[*conn]struct{}
	current *conn // whose samples go to the sink
}

// Listen listens on rtmp://[HOST][:PORT][/APP/KEY]. A key in the URL is used
// if the options have none.
func Listen(spec string, o Options) (*Input, error) {
	u, err := url.Parse(spec)
	if err != nil || u.Scheme != "rtmp" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%w %q: want rtmp://:1935 or rtmp://:1935/live/KEY", ErrAddress, spec)
	}
	port := u.Port()
	if port == "" {
		port = "1935"
	}
	key := o.StreamKey
	if dir, last := path.Split(strings.Trim(u.Path, "/")); key == "" && dir != "" {
		key = last
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("wait for an encoder on %s: %w", u.Host, err)
	}
	return &Input{listener: listener, key: key, log: o.Logger, conns: make(map[*conn]struct{})}, nil
}

// Addr returns the address that is listened on.
func (in *Input) Addr() net.Addr { return in.listener.Addr() }

// Run takes publishers until ctx is done. Timestamps count from its start and
// go on from one publisher to the next, with the time between them.
func (in *Input) Run(ctx context.Context, sink media.Sink) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	in.start = time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		in.listener.Close()
		in.mu.Lock()
		defer in.mu.Unlock()
		for c := range in.conns {
			c.Close()
		}
	})
	for {
		nc, err := in.listener.Accept()
		if err != nil {
			if ctx.Err() == nil {
				cancel(fmt.Errorf("wait for an encoder: %w", err))
			}
			break
		}
		c := newConn(nc)
		if !in.admit(ctx, c) {
			c.Close()
			continue
		}
		wg.Go(func() {
			defer in.dismiss(c)
			if err := in.serve(ctx, c, sink); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (in *Input) admit(ctx context.Context, c *conn) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.conns) == maxConns || ctx.Err() != nil {
		return false
	}
	in.conns[c] = struct{}{}
	return true
}

func (in *Input) dismiss(c *conn) {
	c.Close()
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.conns, c)
	if in.current == c {
		in.current = nil
	}
	close(c.done)
}

// claim makes c the publisher. It fails if there is one that is alive.
func (in *Input) claim(ctx context.Context, c *conn) bool {
	for {
		in.mu.Lock()
		old := in.current
		if old == nil {
			in.current = c
			in.mu.Unlock()
			return true
		}
		in.mu.Unlock()
		if old.idle() < deadAfter {
			return false
		}
		old.Close()
		select {
		case <-old.done:
		case <-ctx.Done():
			return false
		}
	}
}

// serve handles one connection. It returns only what must end the input.
func (in *Input) serve(ctx context.Context, c *conn, sink media.Sink) error {
	log := in.log.With("addr", c.RemoteAddr().String())
	key, err := c.handshake()
	if err != nil {
		log.Debug("RTMP connection without a publisher", "err", err)
		return nil
	}
	if in.key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(in.key)) != 1 {
		log.Warn("publisher refused: wrong stream key")
		c.refuse("wrong stream key")
		return nil
	}
	if !in.claim(ctx, c) {
		log.Warn("publisher refused: another one is publishing")
		c.refuse("another encoder is publishing")
		return nil
	}
	log.Info("publisher connected")
	p := newPublisher(ctx, sink, func() time.Duration { return time.Since(in.start) })
	err = c.publish(p)
	switch {
	case ctx.Err() != nil:
		return nil
	case p.sinkErr != nil:
		return p.sinkErr
	case err != nil:
		log.Warn("publisher lost, waiting for the next", "err", err)
	default:
		log.Info("publisher left, waiting for the next")
	}
	return nil
}
