// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"p2plive/libnet/simnet"
)

// testSite is the sockets of a server as its answers depend on them; nothing is ever sent.
func testSite(addrs ...string) *site {
	var s site
	for a, addr := range addrs {
		for p, number := range []uint16{3478, 3479} {
			s[a][p] = &port{local: netip.AddrPortFrom(netip.MustParseAddr(addr), number)}
		}
	}
	return &s
}

func changeRequest(bits byte) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrChangeRequest, Value: []byte{0, 0, 0, bits}}
}

func responsePort(value ...byte) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrResponsePort, Value: value}
}

// respondTest is a request to a server with further sockets: what it answers, from where, and how large.
type respondTest struct {
	name          string
	packet        []byte
	from          netip.AddrPort
	at            view
	origin, other string // empty: left out
	to            netip.AddrPort
	size          int
	refused       bool
}

func TestRespondTests(t *testing.T) {
	for _, tt := range respondTests() {
		t.Run(tt.name, tt.run)
	}
}

func respondTests() []respondTest {
	from4, from6 := netip.MustParseAddrPort("203.0.113.9:4000"), netip.MustParseAddrPort("[2001:db8::9]:4000")
	two, four := testSite("198.51.100.1"), testSite("198.51.100.1", "198.51.100.2")
	anywhere := testSite("::")
	request := func(setters ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, setters...)...).Raw
	}
	return []respondTest{
		{name: "plain, two sockets", packet: request(), from: from4, at: view{site: two},
			origin: "198.51.100.1:3478", other: "198.51.100.1:3479", to: from4, size: 56},
		{name: "plain, second of two", packet: request(stun.Fingerprint), from: from4, at: view{site: two, p: 1},
			origin: "198.51.100.1:3479", other: "198.51.100.1:3478", to: from4, size: 64},
		{name: "plain, four sockets", packet: request(), from: from4, at: view{site: four},
			origin: "198.51.100.1:3478", other: "198.51.100.2:3479", to: from4, size: 56},
		{name: "other port", packet: request(changeRequest(changePortBit)), from: from4, at: view{site: four},
			origin: "198.51.100.1:3479", other: "198.51.100.2:3479", to: from4, size: 56},
		{name: "other address", packet: request(changeRequest(changeAddrBit)), from: from4, at: view{site: four},
			origin: "198.51.100.2:3478", other: "198.51.100.2:3479", to: from4, size: 56},
		{name: "both, at the last socket", packet: request(changeRequest(changeAddrBit | changePortBit)), from: from4, at: view{site: four, a: 1, p: 1},
			origin: "198.51.100.1:3478", other: "198.51.100.1:3478", to: from4, size: 56},
		{name: "other address, where there is none", packet: request(changeRequest(changeAddrBit)), from: from4, at: view{site: two}, to: from4, size: 36, refused: true},
		{name: "no change", packet: request(changeRequest(0)), from: from4, at: view{site: two},
			origin: "198.51.100.1:3478", other: "198.51.100.1:3479", to: from4, size: 56},
		{name: "response port", packet: request(responsePort(0x10, 0, 0, 0)), from: from4, at: view{site: two},
			origin: "198.51.100.1:3478", other: "198.51.100.1:3479", to: netip.MustParseAddrPort("203.0.113.9:4096"), size: 56},
		{name: "short response port", packet: request(responsePort(0x10, 0)), from: from4, at: view{site: two},
			origin: "198.51.100.1:3478", other: "198.51.100.1:3479", to: netip.MustParseAddrPort("203.0.113.9:4096"), size: 56},
		{name: "padding", packet: request(stun.RawAttribute{Type: stun.AttrPadding, Value: make([]byte, 100)}), from: from4, at: view{site: two}, to: from4, size: 36, refused: true},
		{name: "all interfaces", packet: request(), from: from4, at: view{site: anywhere, arrived: netip.MustParseAddr("198.51.100.5")},
			origin: "198.51.100.5:3478", other: "198.51.100.5:3479", to: from4, size: 56},
		{name: "all interfaces, address not known", packet: request(), from: from4, at: view{site: anywhere}, other: "0.0.0.0:3479", to: from4, size: 44},
		{name: "IPv6, what fits into twice the request", packet: request(), from: from6, at: view{site: anywhere, arrived: netip.MustParseAddr("2001:db8::1")},
			other: "[2001:db8::1]:3479", to: from6, size: 68},
		{name: "IPv6, fingerprint", packet: request(stun.Fingerprint), from: from6, at: view{site: anywhere, arrived: netip.MustParseAddr("2001:db8::1")},
			origin: "[2001:db8::1]:3478", other: "[2001:db8::1]:3479", to: from6, size: 100},
		{name: "malformed change", packet: request(stun.RawAttribute{Type: stun.AttrChangeRequest, Value: make([]byte, 8)}), from: from4, at: view{site: two}},
		{name: "malformed port", packet: request(responsePort(1, 2, 3)), from: from4, at: view{site: two}},
		{name: "port 0", packet: request(responsePort(0, 0, 0, 0)), from: from4, at: view{site: two}},
	}
}

func (tt *respondTest) run(t *testing.T) {
	r := newTestServer(t, ServerOptions{}).respond(tt.packet, tt.from, tt.at)
	if len(r.packet) != tt.size || r.to != tt.to {
		t.Fatalf("%d bytes to %v, want %d to %v", len(r.packet), r.to, tt.size, tt.to)
	}
	if tt.size == 0 {
		return
	}
	if refused := messageType(r.packet) == bindingError; refused != tt.refused {
		t.Fatalf("refused: %v", refused)
	}
	m, err := decode(r.packet)
	check(t, err)
	text := func(kind stun.AttrType) string {
		if !m.Contains(kind) {
			return ""
		}
		var a stun.MappedAddress
		check(t, a.GetFromAs(m, kind))
		return (&net.UDPAddr{IP: a.IP, Port: a.Port}).String()
	}
	if got := text(stun.AttrResponseOrigin); got != tt.origin {
		t.Errorf("origin %q, want %q", got, tt.origin)
	}
	if got := text(stun.AttrOtherAddress); got != tt.other {
		t.Errorf("other address %q, want %q", got, tt.other)
	}
	if tt.refused {
		return
	}
	if by, from := tt.at.from(r.change); tt.origin != "" && from.String() != tt.origin || by == nil {
		t.Errorf("sent from %v", from)
	}
}

func TestServeSocketsRefuses(t *testing.T) {
	pc := new(failing)
	for name, sockets := range map[string]Sockets{
		"none": {}, "three": {{pc, pc}, {pc, nil}}, "other three": {{pc, pc}, {nil, pc}}, "one at each address": {{pc, nil}, {pc, nil}},
		"both at one port": {{pc, nil}, {pc, pc}},
	} {
		if err := newTestServer(t, ServerOptions{}).ServeSockets(t.Context(), sockets); !errors.Is(err, errSockets) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAddressAttribute: what OTHER-ADDRESS may hold.
func TestAddressAttribute(t *testing.T) {
	v6 := append([]byte{0, 2, 0, 80}, netip.MustParseAddr("2001:db8::1").AsSlice()...)
	for _, tt := range []struct {
		name  string
		value []byte
		want  string
	}{
		{"IPv4", []byte{0, 1, 0, 80, 192, 0, 2, 1}, "192.0.2.1:80"},
		{"IPv6", v6, "[2001:db8::1]:80"},
		{"address not known", []byte{0, 1, 0, 80, 0, 0, 0, 0}, "0.0.0.0:80"},
		{"IPv6 marked as IPv4", append([]byte{0, 1}, v6[2:]...), "invalid AddrPort"},
		{"IPv4 marked as IPv6", []byte{0, 2, 0, 80, 192, 0, 2, 1}, "invalid AddrPort"},
		{"unknown family", []byte{0, 3, 0, 80, 192, 0, 2, 1}, "invalid AddrPort"},
		{"no port", []byte{0, 1, 0, 0, 192, 0, 2, 1}, "invalid AddrPort"},
		{"multicast", []byte{0, 1, 0, 80, 224, 0, 0, 1}, "invalid AddrPort"},
		{"short", []byte{0, 1, 0}, "invalid AddrPort"},
		{"empty", nil, "invalid AddrPort"},
	} {
		m := stun.MustBuild(stun.BindingSuccess, stun.RawAttribute{Type: stun.AttrOtherAddress, Value: tt.value})
		if got := address(m, stun.AttrOtherAddress).String(); got != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

// TestLocate: which other addresses of a server are believed.
func TestLocate(t *testing.T) {
	const server = "198.51.100.1:3478"
	for _, tt := range []struct{ name, server, other, origin, port, addr string }{
		{"none", server, "", "", "invalid AddrPort", "invalid AddrPort"},
		{"another port", server, "198.51.100.1:3479", "", "198.51.100.1:3479", "invalid AddrPort"},
		{"another address", server, "198.51.100.2:3479", "198.51.100.1:3478", "198.51.100.1:3479", "198.51.100.2:3479"},
		{"address not known", server, "0.0.0.0:3479", "", "198.51.100.1:3479", "invalid AddrPort"},
		{"server behind a NAT", server, "10.0.0.5:3479", "10.0.0.5:3478", "198.51.100.1:3479", "invalid AddrPort"},
		{"private second address", server, "10.0.0.6:3479", "10.0.0.5:3478", "198.51.100.1:3479", "invalid AddrPort"},
		{"all private", "10.0.0.5:3478", "10.0.0.6:3479", "", "10.0.0.5:3479", "10.0.0.6:3479"},
		{"server behind a public NAT", server, "192.0.2.7:3479", "192.0.2.7:3478", "198.51.100.1:3479", "invalid AddrPort"},
		{"loopback", server, "127.0.0.1:3479", "", "198.51.100.1:3479", "invalid AddrPort"},
		{"other family", server, "[2001:db8::1]:3479", "", "198.51.100.1:3479", "invalid AddrPort"},
	} {
		parse := func(s string) (a netip.AddrPort) {
			if s != "" {
				a = netip.MustParseAddrPort(s)
			}
			return a
		}
		d := discovery{}
		d.others[0][0] = parse(tt.server)
		d.locate(result{other: parse(tt.other), from: parse(tt.origin)})
		if got := d.others[0][1].String(); got != tt.port {
			t.Errorf("%s: other port %v, want %v", tt.name, got, tt.port)
		}
		if got := d.others[1][1].String(); got != tt.addr {
			t.Errorf("%s: other address %v, want %v", tt.name, got, tt.addr)
		}
	}
}

// TestMeasureLifetime: the bounds hold the true lifetime, and are as close as promised.
func TestMeasureLifetime(t *testing.T) {
	for _, truth := range []time.Duration{12 * time.Second, 30 * time.Second, 2 * time.Minute, 290 * time.Second, time.Hour} {
		for _, inbound := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				conf := simnet.NAT3()
				conf.Timeout, conf.RefreshInbound = truth, inbound
				h := w.behind(conf)
				start := time.Now()
				got, err := MeasureLifetime(t.Context(), LifetimeConfig{
					Server: w.server, Open: func() (net.PacketConn, error) { return h.ListenPacket(0) },
				})
				check(t, err)
				if got.Min >= truth || got.Max != 0 && got.Max < truth-time.Second {
					t.Errorf("%v: measured %+v", truth, got)
				}
				high := got.Max
				if high == 0 {
					high = maxLifetime
				}
				if high-got.Min > max(high/lifetimePrecision, minLifetime/2) {
					t.Errorf("%v: measured %+v", truth, got)
				}
				if took := time.Since(start); took > 15*time.Minute {
					t.Errorf("%v: took %v", truth, took)
				}
			})
		}
	}
}

func TestMeasureLifetimeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNetwork(t)
		server := socket(t, n, "198.51.100.1", simnet.Link{}, 3478)
		serve(t, newTestServer(t, ServerOptions{}), server)
		w := &world{t: t, net: n, server: addrPort(server)}
		h := w.behind(simnet.NAT3())
		cfg := LifetimeConfig{Server: w.server, Open: func() (net.PacketConn, error) { return h.ListenPacket(0) }}
		if _, err := MeasureLifetime(t.Context(), cfg); !errors.Is(err, ErrUnsupported) {
			t.Errorf("plain server: %v", err)
		}
		cfg.Server = netip.MustParseAddrPort("198.51.100.7:3478")
		if _, err := MeasureLifetime(t.Context(), cfg); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("no server: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := MeasureLifetime(ctx, cfg); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		cfg.Max = time.Second
		if _, err := MeasureLifetime(t.Context(), cfg); err == nil {
			t.Error("a search of a second")
		}
	})
}

// FuzzRespondTests: whatever a request says, there is one answer at most, to the address that
// asked, of at most twice the bytes on the wire.
func FuzzRespondTests(f *testing.F) {
	s := newTestServer(f, ServerOptions{})
	two, four := testSite("::"), testSite("127.0.0.1", "127.0.0.2")
	request := func(setters ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, setters...)...).Raw
	}
	f.Add(request(), true)
	f.Add(request(changeRequest(6), stun.Fingerprint), false)
	f.Add(request(changeRequest(2), responsePort(1, 2, 0, 0)), true)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		from, headers, at := netip.MustParseAddrPort("127.0.0.1:9"), 28, view{site: four}
		if v6 {
			from, headers, at = netip.MustParseAddrPort("[::1]:9"), 48, view{site: two, arrived: netip.IPv6Loopback()}
		}
		r := s.respond(b, from, at)
		if r.packet == nil {
			return
		}
		if len(r.packet)+headers > 2*(len(b)+headers) {
			t.Errorf("%d bytes answered by %d", len(b), len(r.packet))
		}
		if r.to.Addr() != from.Addr() || r.to.Port() == 0 {
			t.Errorf("answered to %v", r.to)
		}
		if by, _ := at.from(r.change); by == nil {
			t.Error("answered from nowhere")
		}
		if !IsSTUN(r.packet) || messageID(r.packet) != messageID(b) {
			t.Error("the answer does not belong to the request")
		}
	})
}
