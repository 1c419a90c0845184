// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Fields of PCP (RFC 6887).
const (
	pcpVersion     = 2
	pcpMap         = 1
	pcpResponse    = 0x80 // in the opcode
	pcpHeaderLen   = 24
	pcpMapLen      = 36
	pcpUDP         = 17
	pcpSuccess     = 0
	pcpUnsupported = 1 // the version; NAT-PMP's code for it, too
)

// pcp asks by PCP's MAP opcode.
type pcp struct {
	server  netip.AddrPort
	nonce   [12]byte // names the mapping: only who knows it can renew or delete it
	port    uint16
	granted netip.AddrPort
}

func newPCP(server netip.AddrPort) *pcp {
	p := &pcp{server: server}
	rand.Read(p.nonce[:])
	return p
}

func (*pcp) Name() string { return "PCP" }

func (p *pcp) Map(ctx context.Context, port uint16) (mapping, error) {
	p.port = port
	got, err := p.ask(ctx, lifetime)
	if err == nil {
		p.granted = got.public
	}
	return got, err
}

func (p *pcp) Unmap(ctx context.Context) error {
	if !p.granted.IsValid() {
		return nil
	}
	p.granted = netip.AddrPort{}
	_, err := p.ask(ctx, 0)
	return err
}

func (p *pcp) ask(ctx context.Context, life time.Duration) (got mapping, err error) {
	err = exchange(ctx, p.server, func(local netip.Addr) []byte {
		return p.request(local, life)
	}, func(b []byte) (bool, error) {
		var ours bool
		got, ours, err = p.response(b)
		return ours, err
	})
	return got, err
}

// request is section 11.1.
func (p *pcp) request(local netip.Addr, life time.Duration) []byte {
	b := make([]byte, pcpHeaderLen+pcpMapLen)
	b[0], b[1] = pcpVersion, pcpMap
	binary.BigEndian.PutUint32(b[4:], uint32(life/time.Second))
	client := local.As16()
	copy(b[8:], client[:])
	m := b[pcpHeaderLen:]
	copy(m, p.nonce[:])
	m[12] = pcpUDP
	binary.BigEndian.PutUint16(m[16:], p.port)
	suggested := netip.AddrPortFrom(netip.IPv4Unspecified(), p.port)
	if p.granted.IsValid() {
		suggested = p.granted
	}
	binary.BigEndian.PutUint16(m[18:], suggested.Port())
	external := suggested.Addr().As16()
	copy(m[20:], external[:])
	return b
}

// response reads section 11.1's response; ours is false for what does not answer the request.
func (p *pcp) response(b []byte) (got mapping, ours bool, err error) {
	if len(b) >= 4 && b[0] != pcpVersion && b[1]&pcpResponse != 0 {
		return mapping{}, true, errors.New("the router does not speak PCP") // a NAT-PMP router says so
	}
	if len(b) < pcpHeaderLen || len(b) > maxPCP || b[0] != pcpVersion || b[1] != pcpResponse|pcpMap {
		return mapping{}, false, nil
	}
	if code := b[3]; code == pcpUnsupported {
		return mapping{}, true, errors.New("the router does not speak this version of PCP")
	} else if code != pcpSuccess {
		return mapping{}, true, fmt.Errorf("%w (PCP result %d)", ErrRefused, code)
	}
	if len(b) < pcpHeaderLen+pcpMapLen {
		return mapping{}, false, nil
	}
	m := b[pcpHeaderLen:]
	if !bytes.Equal(m[:12], p.nonce[:]) || m[12] != pcpUDP || binary.BigEndian.Uint16(m[16:]) != p.port {
		return mapping{}, false, nil
	}
	got.lifetime = time.Duration(binary.BigEndian.Uint32(b[4:])) * time.Second
	got.public = netip.AddrPortFrom(netip.AddrFrom16([16]byte(m[20:])).Unmap(), binary.BigEndian.Uint16(m[18:]))
	return got, true, nil
}

// exchange sends a request to a router until accept says that an answer is to it.
func exchange(ctx context.Context, server netip.AddrPort, request func(local netip.Addr) []byte,
	accept func(b []byte) (ours bool, err error)) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", server.String()) // connected: others are not heard
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	msg := request(local)
	b := make([]byte, maxPCP+1)
	for _, wait := range pcpWaits {
		if _, err := conn.Write(msg); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		for ctx.Err() == nil {
			n, err := conn.Read(b)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				break
			}
			if err != nil {
				return err // nobody listens there
			}
			if ours, err := accept(b[:n]); ours {
				return err
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return errSilent
}
