// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"context"
	"errors"
	"fmt"

	"p2plive/libnet/rudp"
)

// errAsked ends a connection that was made for the Hello.
var errAsked = errors.New("only the hello was wanted")

// errSilent ends a connection on which nothing comes.
var errSilent = fmt.Errorf("no answer in %v", HandshakeTimeout)

// AskHello connects to a tracker, returns what it says of itself to everybody,
// and leaves without an announcement. Errors match ErrUnreachable or ErrProtocol,
// or are a *RejectedError.
func AskHello(ctx context.Context, tracker string) (Hello, error) {
	identity, err := rudp.NewIdentity()
	if err != nil {
		return Hello{}, err
	}
	var hello Hello
	c, err := NewClient(Config{URL: tracker, Identity: identity, Announce: func(_ context.Context, h Hello) (Announce, error) {
		hello = h
		return Announce{}, errAsked
	}})
	if err != nil {
		return Hello{}, err
	}
	defer c.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeoutCause(ctx, HandshakeTimeout, errSilent)
	defer cancel()
	ws, _, _, err := c.handshake(ctx)
	if err == nil { // Announce has failed, so this cannot be
		ws.CloseNow()
	}
	if errors.Is(err, errAsked) {
		return hello, nil
	}
	if errors.Is(context.Cause(ctx), errSilent) {
		err = fmt.Errorf("%w: %w", ErrUnreachable, errSilent)
	}
	return Hello{}, err
}
