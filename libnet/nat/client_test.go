// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"p2plive/libnet/simnet"
)

const ms = time.Millisecond

func TestReflexiveLoopback(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	client, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	s := newTestServer(t, ServerOptions{})
	serve(t, s, server)
	got, err := newTestClient(t, client).Reflexive(t.Context(), addrPort(server))
	check(t, err)
	if want := addrPort(client); got != want {
		t.Errorf("reflexive address %v, want %v", got, want)
	}
	if stats := s.Stats(); stats != (ServerStats{Answered: 1}) {
		t.Errorf("server counted %+v", stats)
	}
}

func TestReflexiveTakesOneRoundTrip(t *testing.T) {
	for _, addrs := range [][2]string{{"192.0.2.1", "198.51.100.1"}, {"2001:db8::1", "2001:db8:1::1"}} {
		synctest.Test(t, func(t *testing.T) {
			n := newTestNetwork(t)
			server := socket(t, n, addrs[1], simnet.Link{Delay: 10 * ms}, 3478)
			client := socket(t, n, addrs[0], simnet.Link{Delay: 10 * ms}, 0)
			serve(t, newTestServer(t, ServerOptions{}), server)
			c := newTestClient(t, client)
			start := time.Now()
			got, err := c.Reflexive(t.Context(), addrPort(server))
			check(t, err)
			if took := time.Since(start); got != addrPort(client) || took != 40*ms {
				t.Errorf("%v after %v, want %v after 40 ms", got, took, addrPort(client))
			}
			if stats := c.Stats(); stats != (ClientStats{Sent: 1, Answered: 1}) {
				t.Errorf("client counted %+v", stats)
			}
		})
	}
}

// TestReflexiveThroughLoss: requests and responses get lost, retransmission makes up for it.
func TestReflexiveThroughLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNetwork(t)
		server := socket(t, n, "198.51.100.1", simnet.Link{Delay: 10 * ms}, 3478)
		client := socket(t, n, "192.0.2.1", simnet.Link{Delay: 10 * ms, Loss: 0.1}, 0)
		serve(t, newTestServer(t, ServerOptions{RatePerIP: 1000, Burst: 1000}), server)
		c := newTestClient(t, client)
		for range 50 {
			// Seven attempts in a row fail with a probability of (1 - 0.9 x 0.9)^7, 1 in 100,000.
			if _, err := c.Reflexive(t.Context(), addrPort(server)); err != nil {
				t.Error(err)
			}
		}
		if stats := c.Stats(); stats.Answered != 50 || stats.Sent <= 50 {
			t.Errorf("client counted %+v", stats)
		}
	})
}

// TestRetransmissionTimes follows the example of RFC 8489, section 6.2.1.
func TestRetransmissionTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNetwork(t)
		silent := socket(t, n, "198.51.100.1", simnet.Link{}, 3478)
		c := newTestClient(t, socket(t, n, "192.0.2.1", simnet.Link{}, 0))
		start := time.Now()
		failed := make(chan error)
		go func() {
			_, err := c.Reflexive(t.Context(), addrPort(silent))
			failed <- err
		}()
		var at []time.Duration
		var ids []transactionID
		check(t, silent.SetReadDeadline(start.Add(time.Minute)))
		for buf := make([]byte, 100); ; {
			size, _, err := silent.ReadFrom(buf)
			if err != nil {
				break
			}
			at = append(at, time.Since(start))
			ids = append(ids, messageID(buf[:size]))
			if len(at) == len(standardWaits) {
				break
			}
		}
		if want := []time.Duration{0, 500 * ms, 1500 * ms, 3500 * ms, 7500 * ms, 15500 * ms, 31500 * ms}; !slices.Equal(at, want) {
			t.Errorf("sent after %v, want %v", at, want)
		}
		if len(slices.Compact(ids)) != 1 {
			t.Error("a retransmission changed the transaction id")
		}
		if err := <-failed; !errors.Is(err, ErrNoAnswer) {
			t.Errorf("gave up with %v", err)
		}
		if took := time.Since(start); took != 39500*ms {
			t.Errorf("gave up after %v, want %v", took, 39500*ms)
		}
		if len(c.pending) != 0 {
			t.Error("the transaction was kept")
		}
	})
}

func TestReflexiveContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNetwork(t)
		silent := socket(t, n, "198.51.100.1", simnet.Link{}, 3478)
		c := newTestClient(t, socket(t, n, "192.0.2.1", simnet.Link{}, 0))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Reflexive(ctx, addrPort(silent))
		if !errors.Is(err, ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

// senderFunc is a network in a function.
type senderFunc func(b []byte, to netip.AddrPort) (int, error)

func (f senderFunc) WriteTo(b []byte, to netip.AddrPort) (int, error) { return f(b, to) }

func TestReflexiveSendErrors(t *testing.T) {
	server := netip.MustParseAddrPort("198.51.100.1:3478")
	t.Run("closed socket", func(t *testing.T) {
		c := NewClient(senderFunc(func([]byte, netip.AddrPort) (int, error) { return 0, net.ErrClosed }))
		if _, err := c.Reflexive(t.Context(), server); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("an error that does not pass", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			down := errors.New("network is down")
			c := NewClient(senderFunc(func([]byte, netip.AddrPort) (int, error) { return 0, down }))
			if _, err := c.Reflexive(t.Context(), server); !errors.Is(err, ErrNoAnswer) || !errors.Is(err, down) {
				t.Errorf("ended with %v", err)
			}
		})
	})
	t.Run("no server", func(t *testing.T) {
		c := NewClient(senderFunc(func([]byte, netip.AddrPort) (int, error) { return 0, errors.New("sent") }))
		for _, bad := range []netip.AddrPort{{}, netip.AddrPortFrom(server.Addr(), 0)} {
			if _, err := c.Reflexive(t.Context(), bad); err == nil {
				t.Errorf("asked %v", bad)
			}
		}
	})
}

func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClient(senderFunc(func(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }))
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		for range maxPending + 1 {
			go func() {
				_, err := c.Reflexive(ctx, netip.MustParseAddrPort("198.51.100.1:3478"))
				failed <- err
			}()
		}
		if err := <-failed; !errors.Is(err, ErrBusy) {
			t.Errorf("one too many ended with %v", err)
		}
		cancel()
		for range maxPending {
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		}
	})
}

var stunServer = netip.MustParseAddrPort("198.51.100.1:3478")

// fedPacket is what a client is given while a request to stunServer is under way, and what it makes of it.
type fedPacket struct {
	name    string
	from    netip.AddrPort
	packet  func(id stun.Setter) []byte
	taken   bool
	ends    bool  // the request
	wantErr error // of the request
}

func TestHandlePacket(t *testing.T) {
	for _, tt := range fedPackets() {
		t.Run(tt.name, tt.run)
	}
}

func fedPackets() []fedPacket {
	server := stunServer
	mapped := &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: 4000}
	build := func(setters ...stun.Setter) []byte { return stun.MustBuild(setters...).Raw }
	raw := func(value ...byte) stun.Setter {
		return stun.RawAttribute{Type: stun.AttrXORMappedAddress, Value: value}
	}
	return []fedPacket{
		{"success", server, func(id stun.Setter) []byte { return build(id, stun.BindingSuccess, mapped) }, true, true, nil},
		{"with fingerprint", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, mapped, stun.Fingerprint)
		}, true, true, nil},
		{"server as IPv4 in IPv6", netip.AddrPortFrom(netip.AddrFrom16(server.Addr().As16()), 3478),
			func(id stun.Setter) []byte { return build(id, stun.BindingSuccess, mapped) }, true, true, nil},
		{"error", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingError, stun.CodeUnknownAttribute)
		}, true, true, ErrRefused},
		{"other address", netip.MustParseAddrPort("198.51.100.2:3478"),
			func(id stun.Setter) []byte { return build(id, stun.BindingSuccess, mapped) }, true, false, nil},
		{"other port", netip.MustParseAddrPort("198.51.100.1:3479"),
			func(id stun.Setter) []byte { return build(id, stun.BindingSuccess, mapped) }, true, false, nil},
		{"other id", server, func(stun.Setter) []byte {
			return build(stun.TransactionID, stun.BindingSuccess, mapped)
		}, false, false, nil},
		{"request", server, func(id stun.Setter) []byte { return build(id, stun.BindingRequest) }, false, false, nil},
		{"indication", server, func(id stun.Setter) []byte {
			return build(id, stun.NewType(stun.MethodBinding, stun.ClassIndication), mapped)
		}, false, false, nil},
		{"no address", server, func(id stun.Setter) []byte { return build(id, stun.BindingSuccess) }, true, false, nil},
		{"no error code", server, func(id stun.Setter) []byte { return build(id, stun.BindingError) }, true, false, nil},
		{"bad fingerprint", server, func(id stun.Setter) []byte {
			b := build(id, stun.BindingSuccess, mapped, stun.Fingerprint)
			b[len(b)-1] ^= 1
			return b
		}, true, false, nil},
		{"fingerprint not last", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, stun.Fingerprint, mapped)
		}, true, false, nil},
		{"IPv6 address too short", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, raw(0, 2, 1, 1, 1, 1, 1, 1))
		}, true, false, nil},
		{"IPv4 address too long", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, raw(append([]byte{0, 1, 1, 1}, make([]byte, 16)...)...))
		}, true, false, nil},
		{"unknown family", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, raw(0, 3, 1, 1, 1, 1, 1, 1))
		}, true, false, nil},
		{"port 0", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: mapped.IP})
		}, true, false, nil},
		{"unspecified address", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4zero, Port: 1})
		}, true, false, nil},
		{"attribute beyond the end", server, func(id stun.Setter) []byte {
			b := build(id, stun.BindingSuccess, mapped)
			binary.BigEndian.PutUint16(b[headerSize+2:], 100)
			return b
		}, true, false, nil},
		{"too long", server, func(id stun.Setter) []byte {
			return build(id, stun.BindingSuccess, mapped, stun.RawAttribute{Type: stun.AttrSoftware, Value: make([]byte, maxMessage)})
		}, true, false, nil},
		{"trailing bytes", server, func(id stun.Setter) []byte {
			return append(build(id, stun.BindingSuccess, mapped), 0, 0, 0, 0)
		}, false, false, nil},
	}
}

func (tt *fedPacket) run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var id transactionID
		c := NewClient(senderFunc(func(b []byte, _ netip.AddrPort) (int, error) {
			id = messageID(b)
			return len(b), nil
		}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan result, 1)
		go func() {
			addr, err := c.Reflexive(ctx, stunServer)
			done <- result{addr: addr, err: err}
		}()
		synctest.Wait()
		packet := tt.packet(stun.NewTransactionIDSetter(id))
		if got := c.HandlePacket(packet, tt.from); got != tt.taken {
			t.Errorf("HandlePacket = %v, want %v", got, tt.taken)
		}
		synctest.Wait()
		if got := len(done) == 1; got != tt.ends {
			t.Errorf("request ended: %v, want %v", got, tt.ends)
		}
		cancel()
		r := <-done
		switch {
		case tt.ends && !errors.Is(r.err, tt.wantErr):
			t.Errorf("request ended with %v, want %v", r.err, tt.wantErr)
		case tt.ends && r.err == nil && r.addr != netip.MustParseAddrPort("203.0.113.9:4000"):
			t.Errorf("reflexive address %v", r.addr)
		case c.HandlePacket(packet, tt.from):
			t.Error("taken after the end of the request")
		}
	})
}

// FuzzHandlePacket: no response of a hostile network makes the client panic or report an
// address that no socket has.
func FuzzHandlePacket(f *testing.F) {
	server := netip.MustParseAddrPort("198.51.100.1:3478")
	for _, ip := range []net.IP{net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1")} {
		f.Add(stun.MustBuild(stun.BindingSuccess, &stun.XORMappedAddress{IP: ip, Port: 5000}, stun.Fingerprint).Raw, byte(anAnswer))
	}
	f.Add(stun.MustBuild(stun.BindingError, stun.CodeBadRequest).Raw, byte(fromOtherPort))
	f.Add(stun.MustBuild(stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(192, 0, 2, 1), Port: 5000},
		&stun.OtherAddress{IP: net.IPv4(192, 0, 2, 2), Port: 1}, &stun.ResponseOrigin{IP: net.IPv6loopback, Port: 1}).Raw, byte(fromOtherAddr))
	f.Add(stun.MustBuild(stun.BindingRequest).Raw, byte(itself))
	f.Fuzz(func(t *testing.T, b []byte, expect byte) {
		c := NewClient(nil)
		pending := &transaction{server: server, expect: expectation(expect % 4), result: make(chan result, 1)}
		if len(b) >= headerSize {
			c.begin(messageID(b), pending)
		}
		given := slices.Clone(b)
		taken := c.HandlePacket(b, server)
		if !slices.Equal(b, given) {
			t.Error("the datagram was changed")
		}
		select {
		case r := <-pending.result:
			if !taken {
				t.Error("a datagram was used but not taken")
			}
			if r.err == nil && (!r.addr.IsValid() || r.addr.Port() == 0 || r.addr.Addr().IsUnspecified() || r.addr.Addr().Is4In6()) {
				t.Errorf("reflexive address %v", r.addr)
			}
			if r.other.IsValid() && r.other.Port() == 0 || r.from.IsValid() && r.from.Port() == 0 {
				t.Errorf("other address %v, origin %v", r.other, r.from)
			}
		default:
		}
	})
}
