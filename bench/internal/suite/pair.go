// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"p2plive/bench/internal/agent"
	"p2plive/bench/internal/transport"
)

// pair is a host and its guests, each in a process.
type pair struct {
	name         string
	at           transport.Address
	host, guests *child
}

// startPair starts a host and guests without a session.
func startPair(ctx context.Context, name string, host, guests place) (p *pair, err error) {
	p = &pair{name: name}
	if p.host, err = start(host); err != nil {
		return nil, err
	}
	if p.guests, err = start(guests); err != nil {
		p.host.close()
		return nil, err
	}
	if err = p.host.do(ctx, "Listen", name, &p.at); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pair) close() {
	var closing sync.WaitGroup
	closing.Go(p.guests.close)
	closing.Go(p.host.close)
	closing.Wait()
}

// connect makes it n sessions in all.
func (p *pair) connect(ctx context.Context, n int) error {
	if err := p.guests.do(ctx, "Dial", agent.Guests{Transport: p.name, Host: p.at, Sessions: n}, nil); err != nil {
		return err
	}
	return p.host.do(ctx, "Await", n, nil)
}

// grow makes it n sessions on which the host sends.
func (p *pair) grow(ctx context.Context, n int, t agent.Traffic) error {
	if err := p.connect(ctx, n); err != nil {
		return err
	}
	if err := p.guests.do(ctx, "Receive", t.Message, nil); err != nil {
		return err
	}
	return p.host.do(ctx, "Send", t, nil)
}

// measure gives what happens in a time. It fails when a session ends in it.
func (p *pair) measure(ctx context.Context, d time.Duration) (host, guests agent.Sample, err error) {
	both := func() (h, g agent.Sample, err error) {
		if h, err = p.host.sample(ctx, false); err == nil {
			g, err = p.guests.sample(ctx, false)
		}
		return h, g, err
	}
	h0, g0, err := both()
	if err != nil {
		return host, guests, err
	}
	if err := pause(ctx, d); err != nil {
		return host, guests, err
	}
	h1, g1, err := both()
	if err != nil {
		return host, guests, err
	}
	host, guests = h1.Since(h0), g1.Since(g0)
	for _, s := range []agent.Sample{host, guests} {
		if s.Lost > 0 {
			return host, guests, fmt.Errorf("%d sessions ended: %s", s.Lost, s.LastError)
		}
	}
	return host, guests, nil
}
