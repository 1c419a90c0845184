// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// extra is a further socket of the host, with a client and a reader of its own.
type extra struct {
	pc      net.PacketConn
	local   netip.AddrPort
	client  *Client
	mapped  netip.AddrPort // zero: not known
	reading sync.WaitGroup
}

func openExtra(open func() (net.PacketConn, error)) (*extra, error) {
	pc, err := open()
	if err != nil {
		return nil, fmt.Errorf("open a further socket: %w", err)
	}
	local, ok := pc.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, errors.Join(fmt.Errorf("further socket at %v is not for UDP", pc.LocalAddr()), pc.Close())
	}
	e := &extra{pc: pc, local: plain(local.AddrPort()), client: NewClient(packetConnSender{pc})}
	e.reading.Go(e.read)
	return e, nil
}

// read feeds the client until the socket is closed or fails for good.
func (e *extra) read() {
	buf := make([]byte, maxMessage+1)
	for failures := 0; failures < maxReadErrors; {
		n, from, err := e.pc.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			failures++
			time.Sleep(readErrorPause)
			continue
		}
		if udp, ok := from.(*net.UDPAddr); ok {
			e.client.HandlePacket(buf[:n], udp.AddrPort())
		}
	}
}

func (e *extra) close() {
	_ = e.pc.Close() // nothing of use was to be written
	e.reading.Wait()
}

// packetConnSender is a Sender over a net.PacketConn.
type packetConnSender struct{ pc net.PacketConn }

func (s packetConnSender) WriteTo(b []byte, to netip.AddrPort) (int, error) {
	return s.pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// hairpin tries whether two sockets of the host reach each other by their public addresses. Both
// send, as two peers would: a filter lets in what answers.
func (d *discovery) hairpin(ctx context.Context) {
	if len(d.extras) == 0 || !d.extras[0].mapped.IsValid() {
		return
	}
	own, other := d.cfg.Client, d.extras[0]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var errs [2]error
	var trying sync.WaitGroup
	try := func(err *error, via, at *Client, to netip.AddrPort) {
		trying.Go(func() {
			if _, *err = at.ask(ctx, question{to: to, expect: itself, via: via, waits: d.patience()}); *err == nil {
				cancel() // one is enough
			}
		})
	}
	try(&errs[0], own, other.client, other.mapped)
	try(&errs[1], other.client, own, d.mapped[0][0])
	trying.Wait()
	switch {
	case errs[0] == nil || errs[1] == nil:
		d.result.Hairpin = Yes
	case errors.Is(errs[0], ErrNoAnswer) && errors.Is(errs[1], ErrNoAnswer) && context.Cause(ctx) == nil:
		d.result.Hairpin = No
	}
}
