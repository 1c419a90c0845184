// SPDX-License-Identifier: GPL-3.0-or-later

// Package agent is one role of a benchmark, host or guests, in a process of its own, so that its CPU time
// and memory are its own; the benchmark commands it over a pipe.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/rpc"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"p2plive/bench/internal/transport"
)

const (
	// setupTimeout bounds dialling and accepting what one command asks for.
	setupTimeout = 60 * time.Second
	// parallelDials: enough to keep both processes busy with handshakes.
	parallelDials = 16
)

// Agent holds sessions of one transport. Its exported methods are commands in the form of net/rpc, which
// come one at a time.
type Agent struct {
	transport transport.Transport
	host      transport.Host
	meter     meter
	flooding  floodWriter
	ctx       context.Context
	cancel    context.CancelFunc
	running   sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // capacity 1: sessions has grown, or accepting has failed
	sessions []transport.Session
	failed   error // of accepting

	sending, receiving int // sessions with a goroutine that does it
}

// Nothing is the argument or the result of a command that has none.
type Nothing struct{}

// Serve obeys commands until the pipe is closed.
func Serve(pipe io.ReadWriteCloser) error {
	ctx, cancel := context.WithCancel(context.Background())
	a := &Agent{ctx: ctx, cancel: cancel, changed: make(chan struct{}, 1)}
	s := rpc.NewServer()
	if err := s.Register(a); err != nil {
		return err
	}
	s.ServeConn(pipe)
	return a.close()
}

// Listen becomes the host.
func (a *Agent) Listen(name string, at *transport.Address) error {
	t, err := transport.Named(name)
	if err != nil {
		return err
	}
	a.transport = t
	if a.host, err = t.Listen(); err != nil {
		return err
	}
	*at = a.host.Address()
	a.running.Go(a.accept)
	return nil
}

func (a *Agent) accept() {
	for {
		s, err := a.host.Accept(a.ctx)
		a.mu.Lock()
		if err == nil {
			a.sessions = append(a.sessions, s)
		} else {
			a.failed = err
		}
		a.mu.Unlock()
		select {
		case a.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Await returns when n sessions in all have been accepted.
func (a *Agent) Await(n int, _ *Nothing) error {
	timeout := time.After(setupTimeout)
	for {
		a.mu.Lock()
		have, err := len(a.sessions), a.failed
		a.mu.Unlock()
		switch {
		case have >= n:
			return nil
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		}
		select {
		case <-a.changed:
		case <-timeout:
			return fmt.Errorf("%d of %d sessions came", have, n)
		}
	}
}

// Guests says how many sessions to have with which host.
type Guests struct {
	Transport string
	Host      transport.Address
	Sessions  int // in all, with those that exist
}

// Dial becomes guests of a host, each with a source address of its own.
func (a *Agent) Dial(g Guests, _ *Nothing) error {
	t, err := transport.Named(g.Transport)
	if err != nil {
		return err
	}
	first := len(a.sessions)
	fresh := make([]transport.Session, max(0, g.Sessions-first))
	ctx, cancel := context.WithTimeout(a.ctx, setupTimeout)
	defer cancel()
	dials, ctx := errgroup.WithContext(ctx)
	dials.SetLimit(parallelDials)
	for i := range fresh {
		dials.Go(func() error {
			s, err := t.Dial(ctx, g.Host, sourceAddr(first+i))
			if err != nil {
				return fmt.Errorf("session %d: %w", first+i, err)
			}
			fresh[i] = s
			return nil
		})
	}
	err = dials.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range fresh {
		if s != nil {
			a.sessions = append(a.sessions, s)
		}
	}
	return err
}

// sourceAddr is the address of guest i: hosts limit what one address may do.
func sourceAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
}

// close ends what is left when the commands have ended.
func (a *Agent) close() error {
	a.cancel()
	var errs []error
	if a.host != nil {
		errs = append(errs, a.host.Close())
	}
	a.mu.Lock()
	sessions := a.sessions
	a.mu.Unlock()
	for _, s := range sessions {
		errs = append(errs, s.Close())
	}
	a.running.Wait()
	return errors.Join(errs...)
}
