// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// ErrUnsupported: the server does not do what a measurement needs.
var ErrUnsupported = errors.New("nat: the STUN server does not support this test")

// LifetimeConfig says what to ask from where.
type LifetimeConfig struct {
	Server netip.AddrPort
	Open   func() (net.PacketConn, error) // a further socket of the host, on any port
	Max    time.Duration                  // where the search ends; default 5 min, at least 20 s
}

// Lifetime is how long a NAT keeps a mapping that nothing is sent through.
type Lifetime struct {
	Min time.Duration // it has lived this long
	Max time.Duration // and was gone after this long; 0: it has outlived the search
}

// Keepalive is how often to send through a mapping so that it stays: some 20% below what it was
// seen to outlive. 0: nothing is known.
func (l Lifetime) Keepalive() time.Duration { return l.Min * 4 / 5 }

// MeasureLifetime measures the lifetime of a mapping (RFC 5780, section 4.6): a socket makes a
// mapping and keeps silent, another asks the server after a while to answer to it. The search is
// binary, to an eighth; with the default Max it takes up to 15 minutes and sends a few datagrams
// in each step, so it is something for the background. Errors match ErrNoAnswer, ErrUnsupported,
// or the cause of ctx.
//
// Some NATs keep a mapping longer once datagrams have gone both ways for a while, so those of
// sessions may live longer than measured here.
func MeasureLifetime(ctx context.Context, cfg LifetimeConfig) (Lifetime, error) {
	if cfg.Max == 0 {
		cfg.Max = maxLifetime
	}
	l, err := measureLifetime(ctx, cfg)
	if err != nil {
		return Lifetime{}, fmt.Errorf("measure the lifetime of a mapping: %w", err)
	}
	return l, nil
}

func measureLifetime(ctx context.Context, cfg LifetimeConfig) (l Lifetime, err error) {
	if cfg.Max < 2*minLifetime {
		return l, fmt.Errorf("a search up to %v is too short: at least %v", cfg.Max, 2*minLifetime)
	}
	asking, err := openExtra(cfg.Open)
	if err != nil {
		return l, err
	}
	defer asking.close()
	alive := func(after time.Duration) (bool, error) { return outlives(ctx, cfg, asking, after) }
	if ok, err := alive(0); err != nil || !ok {
		return l, errors.Join(ErrUnsupported, err)
	}
	low, high := time.Duration(0), cfg.Max
	for high-low > max(high/lifetimePrecision, minLifetime/2) && high > minLifetime {
		middle := (low + high) / 2
		ok, err := alive(middle)
		switch {
		case err != nil:
			return l, err
		case ok:
			low = middle
		default:
			high, l.Max = middle, middle
		}
	}
	l.Min = low
	return l, nil
}

// outlives makes a mapping from a new socket, and asks from another one after a while that the
// server sends to it. An old mapping would not do: Linux keeps one longer that was used twice.
func outlives(ctx context.Context, cfg LifetimeConfig, asking *extra, after time.Duration) (bool, error) {
	silent, err := openExtra(cfg.Open)
	if err != nil {
		return false, err
	}
	defer silent.close()
	server := cfg.Server
	made, err := silent.client.ask(ctx, question{to: server, waits: firstWaits})
	if err != nil {
		return false, err
	}
	if !sleep(ctx, after) {
		return false, context.Cause(ctx)
	}
	control, err := asking.client.ask(ctx, question{to: server, waits: firstWaits})
	if err != nil {
		return false, err
	}
	if control.addr.Addr() != made.addr.Addr() { // the server would answer to the wrong address
		return false, fmt.Errorf("%w: the NAT has several public addresses", ErrUnsupported)
	}
	port := binary.BigEndian.AppendUint16(nil, made.addr.Port())
	_, err = silent.client.ask(ctx, question{
		to: server, via: asking.client, waits: firstWaits,
		attrs: []stun.Setter{stun.RawAttribute{Type: stun.AttrResponsePort, Value: append(port, 0, 0)}},
	})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrNoAnswer) && ctx.Err() == nil:
		return false, nil
	}
	return false, err
}
