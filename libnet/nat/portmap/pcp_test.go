// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// router is a gateway on loopback that speaks PCP, NAT-PMP or both.
type router struct {
	conn net.PacketConn
	addr netip.AddrPort

	speaksPCP bool
	refuses   byte       // result code
	external  netip.Addr // of the router
	noise     bool       // it sends rubbish, and an answer to somebody else, first

	mu     sync.Mutex
	ports  map[uint16]uint16 // external port to internal one
	nonce  []byte
	served sync.WaitGroup
}

func newRouter(t *testing.T, change func(*router)) *router {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &router{
		conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), external: public.Addr(), ports: make(map[uint16]uint16),
	}
	change(r)
	r.served.Go(r.serve)
	t.Cleanup(func() { conn.Close(); r.served.Wait() })
	return r
}

func (r *router) serve() {
	b := make([]byte, maxPCP)
	for {
		n, from, err := r.conn.ReadFrom(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		answer := r.answer(b[:n])
		r.mu.Unlock()
		if r.noise {
			other := bytes.Clone(answer)
			other[len(other)-1]++
			if len(other) == pcpHeaderLen+pcpMapLen {
				other[pcpHeaderLen]++ // the nonce
			}
			for _, rubbish := range [][]byte{{}, {1}, answer[:len(answer)-1], make([]byte, 64)} {
				_, _ = r.conn.WriteTo(rubbish, from)
			}
			if len(other) == pcpHeaderLen+pcpMapLen {
				_, _ = r.conn.WriteTo(other, from)
			}
		}
		_, _ = r.conn.WriteTo(answer, from)
	}
}

func (r *router) answer(b []byte) []byte {
	switch {
	case b[0] == pcpVersion && r.speaksPCP:
		return r.answerPCP(b)
	case b[0] == 0 && !r.speaksPCP && b[1] == pmpAddress:
		ip := r.external.As4()
		return append([]byte{0, pmpResponse, 0, r.refuses, 0, 0, 0, 9}, ip[:]...)
	case b[0] == 0 && !r.speaksPCP && b[1] == pmpMapUDP:
		return r.answerPMP(b)
	}
	return []byte{0, pmpResponse | b[1], 0, pcpUnsupported, 0, 0, 0, 9}
}

func (r *router) answerPCP(b []byte) []byte {
	out := bytes.Clone(b)
	out[1], out[2], out[3] = pcpResponse|pcpMap, 0, r.refuses
	m := out[pcpHeaderLen:]
	internal, external := binary.BigEndian.Uint16(m[16:]), binary.BigEndian.Uint16(m[18:])
	r.nonce = bytes.Clone(m[:12])
	r.set(external, internal, binary.BigEndian.Uint32(b[4:]))
	ip := r.external.As16()
	copy(m[20:], ip[:])
	return out
}

func (r *router) answerPMP(b []byte) []byte {
	internal, external := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	life := binary.BigEndian.Uint32(b[8:])
	if life == 0 {
		clear(r.ports)
	} else {
		r.set(external, internal, life)
	}
	out := []byte{0, pmpResponse | pmpMapUDP, 0, r.refuses, 0, 0, 0, 9}
	return append(out, b[4:12]...)
}

func (r *router) set(external, internal uint16, life uint32) {
	if life == 0 {
		delete(r.ports, external)
	} else if r.refuses == 0 {
		r.ports[external] = internal
	}
}

func (r *router) mapped() map[uint16]uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.ports)
}

func TestPCPAndNATPMP(t *testing.T) {
	for _, noise := range []bool{false, true} {
		for _, name := range []string{"PCP", "NAT-PMP"} {
			t.Run(name, func(t *testing.T) {
				r := newRouter(t, func(r *router) { r.speaksPCP, r.noise = name == "PCP", noise })
				var p protocol = newPCP(r.addr)
				if !r.speaksPCP {
					if _, err := p.Map(t.Context(), 7100); err == nil || errors.Is(err, ErrRefused) {
						t.Fatalf("PCP with a router that does not speak it: %v", err)
					}
					p = newNATPMP(r.addr)
				}
				for range 2 { // again: renewed
					got, err := p.Map(t.Context(), 7100)
					if err != nil || got.public != public || got.lifetime != time.Hour {
						t.Fatalf("%+v, %v", got, err)
					}
					if len(r.mapped()) != 1 || r.mapped()[7100] != 7100 {
						t.Fatalf("the router forwards %v", r.mapped())
					}
				}
				if err := p.Unmap(t.Context()); err != nil || len(r.mapped()) != 0 {
					t.Errorf("after the end the router forwards %v, %v", r.mapped(), err)
				}
				if err := p.Unmap(t.Context()); err != nil {
					t.Errorf("a second time: %v", err)
				}
			})
		}
	}
}

func TestRefusal(t *testing.T) {
	for _, pcpRouter := range []bool{true, false} {
		r := newRouter(t, func(r *router) { r.speaksPCP, r.refuses = pcpRouter, 2 })
		var p protocol = newNATPMP(r.addr)
		if pcpRouter {
			p = newPCP(r.addr)
		}
		if _, err := p.Map(t.Context(), 7100); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", p.Name(), err)
		}
	}
}

// Where nobody listens, the answer comes at once.
func TestNobodyListens(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	conn.Close()
	if _, err := newPCP(server).Map(t.Context(), 7100); err == nil || errors.Is(err, errSilent) {
		t.Errorf("%v", err)
	}
}

func FuzzPCPResponse(f *testing.F) {
	p := newPCP(netip.AddrPort{})
	p.port = 7100
	request := p.request(netip.MustParseAddr("192.168.1.2"), time.Hour)
	request[1] = pcpResponse | pcpMap
	request[3] = 0
	f.Add(request)
	f.Add([]byte{0, pmpResponse, 0, pcpUnsupported, 0, 0, 0, 9})
	f.Add([]byte{0, pmpResponse, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ours, err := p.response(b)
		if (err != nil || got != (mapping{})) && !ours {
			t.Errorf("%+v, %v of what is not ours", got, err)
		}
		body, ours, err := pmpBody(b, pmpMapUDP, 8)
		if ours && err == nil && len(body) != 8 {
			t.Errorf("a body of %d bytes", len(body))
		}
	})
}
