// SPDX-License-Identifier: GPL-3.0-or-later

package tunnel

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/coder/websocket"
)

// Path is where a server is found below an HTTP address.
const Path = "/p2plive/udp"

// Dial opens a tunnel to the server at Path below an http or https address, through the proxy that the environment
// names. The peer at its other end goes by the name of remote, for instance the UDP address that cannot be reached.
func Dial(ctx context.Context, base string, remote netip.AddrPort) (*Conn, error) {
	return dial(ctx, http.DefaultTransport.(*http.Transport).Clone(), base, remote)
}

func dial(ctx context.Context, transport *http.Transport, base string, remote netip.AddrPort) (*Conn, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("tunnel: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer transport.CloseIdleConnections()
	ws, _, err := websocket.Dial(ctx, u.JoinPath(Path).String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport, CheckRedirect: noRedirect},
	})
	if err != nil {
		return nil, fmt.Errorf("tunnel to %s: %w", base, err)
	}
	return newConn(ws, remote, 0), nil
}

// noRedirect: an edge does not move, and a login page of a network is not one.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
