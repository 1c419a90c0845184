// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"errors"
	"time"

	"p2plive/internal/wire"
	"p2plive/libnet/rudp"
)

// approach is one of the ways in which a peer is dialled.
type approach struct {
	after time.Duration
	dial  func(context.Context) (*rudp.Conn, error)
}

// approaches are the addresses of a peer, a little apart, and a tunnel to an edge where they do not answer.
func (h *Host) approaches(info wire.PeerInfo) (list []approach, limit time.Duration) {
	for i, addr := range info.Addrs {
		list = append(list, approach{time.Duration(i) * dialStagger, func(ctx context.Context) (*rudp.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return h.endpoint.Dial(ctx, addr, rudp.PeerID(info.ID))
		}})
	}
	limit = dialTimeout + time.Duration(len(list))*dialStagger
	if len(list) > 0 && h.tunnels.url(info.ID) != "" {
		list = append(list, approach{h.tunnels.delay(), func(ctx context.Context) (*rudp.Conn, error) {
			return h.throughTunnel(ctx, info)
		}})
		limit = tunnelTimeout
	}
	return list, limit
}

// race dials a peer in all ways, and keeps the session that is up first.
func (h *Host) race(ctx context.Context, info wire.PeerInfo) (*rudp.Conn, error) {
	approaches, limit := h.approaches(info)
	if len(approaches) == 0 {
		return nil, errors.New("no address")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type result struct {
		conn *rudp.Conn
		err  error
	}
	results := make(chan result)
	for _, a := range approaches {
		go func() {
			timer := time.NewTimer(a.after)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
				results <- result{err: context.Cause(ctx)}
				return
			}
			conn, err := a.dial(ctx)
			results <- result{conn, err}
		}()
	}
	var won *rudp.Conn
	var failed error
	for range approaches {
		r := <-results
		switch {
		case r.err != nil:
			if failed == nil {
				failed = r.err
			}
		case won == nil:
			won = r.conn
			cancel() // the others end at once
		default:
			r.conn.Close("a session is open already")
		}
	}
	if won == nil {
		return nil, failed
	}
	if info.Role == wire.RoleEdge && !h.tunnels.has(won.Path().Socket) {
		h.tunnels.heardUDP(true)
	}
	return won, nil
}
