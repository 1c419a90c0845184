// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Fields of NAT-PMP (RFC 6886).
const (
	pmpAddress  = 0
	pmpMapUDP   = 1
	pmpResponse = 0x80 // in the opcode
)

// natPMP asks by NAT-PMP, which most routers that have it keep beside PCP or instead.
type natPMP struct {
	server  netip.AddrPort
	port    uint16
	granted uint16 // external port; 0: none
}

func newNATPMP(server netip.AddrPort) *natPMP { return &natPMP{server: server} }

func (*natPMP) Name() string { return "NAT-PMP" }

func (p *natPMP) Map(ctx context.Context, port uint16) (mapping, error) {
	p.port = port
	external, err := p.external(ctx)
	if err != nil {
		return mapping{}, err
	}
	suggested := port
	if p.granted != 0 {
		suggested = p.granted
	}
	granted, life, err := p.ask(ctx, suggested, lifetime)
	if err != nil {
		return mapping{}, err
	}
	p.granted = granted
	return mapping{public: netip.AddrPortFrom(external, granted), lifetime: life}, nil
}

// Unmap asks for a lifetime and a port of zero: section 3.4.
func (p *natPMP) Unmap(ctx context.Context) error {
	if p.granted == 0 {
		return nil
	}
	p.granted = 0
	_, _, err := p.ask(ctx, 0, 0)
	return err
}

// external asks for the router's public address: section 3.2.
func (p *natPMP) external(ctx context.Context) (ip netip.Addr, err error) {
	err = exchange(ctx, p.server, func(netip.Addr) []byte { return []byte{0, pmpAddress} }, func(b []byte) (bool, error) {
		body, ours, err := pmpBody(b, pmpAddress, 4)
		if ours && err == nil {
			ip = netip.AddrFrom4([4]byte(body))
		}
		return ours, err
	})
	return ip, err
}

// ask is section 3.3.
func (p *natPMP) ask(ctx context.Context, external uint16, life time.Duration) (granted uint16, got time.Duration, err error) {
	request := []byte{0, pmpMapUDP, 0, 0}
	request = binary.BigEndian.AppendUint16(request, p.port)
	request = binary.BigEndian.AppendUint16(request, external)
	request = binary.BigEndian.AppendUint32(request, uint32(life/time.Second))
	err = exchange(ctx, p.server, func(netip.Addr) []byte { return request }, func(b []byte) (bool, error) {
		body, ours, err := pmpBody(b, pmpMapUDP, 8)
		if !ours || err != nil {
			return ours, err
		}
		if binary.BigEndian.Uint16(body) != p.port {
			return false, nil
		}
		granted = binary.BigEndian.Uint16(body[2:])
		got = time.Duration(binary.BigEndian.Uint32(body[4:])) * time.Second
		return true, nil
	})
	return granted, got, err
}

// pmpBody gives what follows the header of a response; ours is false for what does not answer the opcode.
func pmpBody(b []byte, opcode byte, length int) (body []byte, ours bool, err error) {
	if len(b) < 8 || b[0] != 0 || b[1] != pmpResponse|opcode {
		return nil, false, nil
	}
	switch code := binary.BigEndian.Uint16(b[2:]); {
	case code == pcpUnsupported:
		return nil, true, errors.New("the router does not speak this version of NAT-PMP")
	case code != 0:
		return nil, true, fmt.Errorf("%w (NAT-PMP result %d)", ErrRefused, code)
	case len(b) != 8+length:
		return nil, false, nil
	}
	return b[8:], true, nil
}
