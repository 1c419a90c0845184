// SPDX-License-Identifier: GPL-3.0-or-later

package netbench

import (
	"context"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"

	"p2plive/libnet/rudp"
)

// rudpFlow is one side of a session, with the channel that is measured.
type rudpFlow struct{ *rudp.Channel }

func (f rudpFlow) send(ctx context.Context, message []byte) error { return f.Send(ctx, message) }

func (f rudpFlow) receive(ctx context.Context, size int) error {
	message, err := f.Recv(ctx)
	if err == nil && len(message) != size {
		err = fmt.Errorf("a message of %d bytes, want %d", len(message), size)
	}
	rudp.Recycle(message)
	return err
}

func dialRUDP(ctx context.Context) (l *link, err error) {
	var ends []*rudp.Endpoint
	closeAll := sync.OnceFunc(func() {
		for _, e := range ends {
			e.Close()
		}
	})
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	for range 2 {
		id, err := rudp.NewIdentity()
		if err != nil {
			return nil, err
		}
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		e, err := rudp.Listen(pc, rudp.Config{Identity: id})
		if err != nil {
			return nil, err
		}
		ends = append(ends, e)
	}
	var dialled, accepted *rudp.Conn
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		dialled, err = ends[0].Dial(ctx, ends[1].LocalAddr(), ends[1].ID())
		return err
	})
	both.Go(func() (err error) {
		accepted, err = ends[1].Accept(ctx)
		return err
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	l = &link{from: rudpFlow{dialled.Channel(1)}, to: rudpFlow{accepted.Channel(1)}, close: closeAll}
	s := ends[0].Stats()
	l.gso, l.gro = s.GSO, s.GRO
	return l, nil
}
