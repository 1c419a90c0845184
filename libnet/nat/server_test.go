// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"p2plive/libnet/simnet"
)

func TestRespond(t *testing.T) {
	from4, from6 := netip.MustParseAddrPort("203.0.113.9:4000"), netip.MustParseAddrPort("[2001:db8::9]:4000")
	build := func(setters ...stun.Setter) []byte { return stun.MustBuild(setters...).Raw }
	request := func(setters ...stun.Setter) []byte {
		return build(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, setters...)...)
	}
	attr := func(t stun.AttrType) stun.Setter { return stun.RawAttribute{Type: t, Value: make([]byte, 4)} }
	badFingerprint := request(stun.Fingerprint)
	badFingerprint[len(badFingerprint)-1] ^= 1

	tests := []struct {
		name   string
		packet []byte
		from   netip.AddrPort
		size   int // of the answer
		want   ServerStats
	}{
		{"plain", request(), from4, 32, ServerStats{Answered: 1}},
		{"IPv6", request(), from6, 44, ServerStats{Answered: 1}},
		{"IPv4 in IPv6", request(), netip.AddrPortFrom(netip.AddrFrom16(from4.Addr().As16()), 4000), 32, ServerStats{Answered: 1}},
		{"IPv6 with zone", request(), netip.MustParseAddrPort("[fe80::1%eth0]:4000"), 44, ServerStats{Answered: 1}},
		{"fingerprint", request(stun.Fingerprint), from4, 40, ServerStats{Answered: 1}},
		{"attributes that may be passed over", request(attr(stun.AttrSoftware), attr(stun.AttrUsername)), from4, 32, ServerStats{Answered: 1}},
		{"CHANGE-REQUEST", request(attr(stun.AttrChangeRequest)), from4, 36, ServerStats{Refused: 1}},
		{"unknown attributes", request(attr(0x7001), attr(0x7002), attr(0x7001), attr(0x7003)), from4, 40, ServerStats{Refused: 1}},
		{"bad fingerprint", badFingerprint, from4, 0, ServerStats{Malformed: 1}},
		{"too long", request(stun.RawAttribute{Type: stun.AttrSoftware, Value: make([]byte, maxMessage)}), from4, 0, ServerStats{Malformed: 1}},
		{"no address", request(), netip.AddrPort{}, 0, ServerStats{Malformed: 1}},
		{"empty", nil, from4, 0, ServerStats{Other: 1}},
		{"trailing bytes", append(request(), 0, 0, 0, 0), from4, 0, ServerStats{Other: 1}},
		{"cut off", request(attr(stun.AttrSoftware))[:24], from4, 0, ServerStats{Other: 1}},
		{"no cookie (RFC 3489)", make([]byte, 20), from4, 0, ServerStats{Other: 1}},
		{"response", build(stun.TransactionID, stun.BindingSuccess), from4, 0, ServerStats{Other: 1}},
		{"indication", build(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication)), from4, 0, ServerStats{Other: 1}},
		{"other method", build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)), from4, 0, ServerStats{Other: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestServer(t, ServerOptions{})
			given := slices.Clone(tt.packet)
			answer := s.Respond(tt.packet, tt.from)
			if !bytes.Equal(tt.packet, given) {
				t.Error("the request was changed")
			}
			if len(answer) != tt.size {
				t.Errorf("answer of %d bytes, want %d", len(answer), tt.size)
			}
			if got := s.Stats(); got != tt.want {
				t.Errorf("counted %+v, want %+v", got, tt.want)
			}
			if tt.want.Answered == 1 {
				m, err := decode(answer)
				check(t, err)
				got, err := mappedAddress(m)
				check(t, err)
				if got != plain(tt.from) || messageID(answer) != messageID(tt.packet) {
					t.Errorf("answered %v", got)
				}
			}
		})
	}
}

// TestRefusalNamesAttributes: error 420 lists each attribute once.
func TestRefusalNamesAttributes(t *testing.T) {
	m := stun.MustBuild(stun.TransactionID, stun.BindingRequest,
		stun.RawAttribute{Type: 0x7001}, stun.RawAttribute{Type: 0x7002}, stun.RawAttribute{Type: 0x7001})
	answer, err := decode(newTestServer(t, ServerOptions{}).Respond(m.Raw, netip.MustParseAddrPort("192.0.2.1:1")))
	check(t, err)
	var code stun.ErrorCodeAttribute
	var unknown stun.UnknownAttributes
	check(t, code.GetFrom(answer))
	check(t, unknown.GetFrom(answer))
	if code.Code != stun.CodeUnknownAttribute || !slices.Equal(unknown, stun.UnknownAttributes{0x7001, 0x7002}) {
		t.Errorf("answered %v, %v", code, unknown)
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, ServerOptions{RatePerIP: 10, Burst: 5})
		answers := func(from string, requests int) (n int) {
			for range requests {
				if s.Respond(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw, netip.MustParseAddrPort(from)) != nil {
					n++
				}
			}
			return n
		}
		expect := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d answers, want %d", what, got, want)
			}
		}
		expect("burst", answers("192.0.2.1:1000", 20), 5)
		expect("another port of the address", answers("192.0.2.1:1001", 20), 0)
		expect("the address as IPv4 in IPv6", answers("[::ffff:192.0.2.1]:1", 20), 0)
		expect("another address", answers("192.0.2.2:1000", 20), 5)
		expect("IPv6", answers("[2001:db8::1]:1", 20), 5)
		expect("the same /64", answers("[2001:db8::ffff:1]:1", 20), 0)
		expect("another /64", answers("[2001:db8:0:1::1]:1", 20), 5)
		expect("loopback", answers("127.0.0.1:1", 200), 200)
		time.Sleep(200 * ms)
		expect("after 200 ms", answers("192.0.2.1:1000", 20), 2)
		time.Sleep(time.Hour)
		expect("after an hour", answers("192.0.2.1:1000", 20), 5)
		if got := s.Stats().Limited; got != 15+20+20+15+15+20+15+18+15 {
			t.Errorf("%d requests limited", got)
		}
	})
}

func TestServeEnds(t *testing.T) {
	start := func(t *testing.T) (net.PacketConn, context.CancelCauseFunc, chan error) {
		pc := socket(t, newTestNetwork(t), "192.0.2.1", simnet.Link{}, 3478)
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Serve(ctx, pc, ServerOptions{}) }()
		synctest.Wait()
		return pc, cancel, ended
	}
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pc, cancel, ended := start(t)
			cause := errors.New("shutting down")
			cancel(cause)
			if err := <-ended; !errors.Is(err, cause) {
				t.Errorf("ended with %v", err)
			}
			if _, err := pc.WriteTo([]byte("x"), pc.LocalAddr()); err != nil {
				t.Errorf("the socket is of no use any more: %v", err)
			}
		})
	})
	t.Run("closed socket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pc, cancel, ended := start(t)
			defer cancel(nil)
			check(t, pc.Close())
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
		})
	})
}

// failing is a socket whose reads fail.
type failing struct {
	net.PacketConn
	reads int
}

var errBroken = errors.New("broken")

func (f *failing) ReadFrom([]byte) (int, net.Addr, error) { f.reads++; return 0, nil, errBroken }
func (f *failing) LocalAddr() net.Addr                    { return nil }
func (f *failing) SetReadDeadline(time.Time) error        { return nil }

// TestServeGivesUp: a socket that fails for good ends the server, without a busy loop before.
func TestServeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pc := new(failing)
		begun := time.Now()
		err := newTestServer(t, ServerOptions{}).Serve(t.Context(), pc)
		if !errors.Is(err, errBroken) || pc.reads != maxReadErrors+1 {
			t.Errorf("ended with %v after %d reads", err, pc.reads)
		}
		if took := time.Since(begun); took != maxReadErrors*readErrorPause {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestServerOptions(t *testing.T) {
	for _, bad := range []ServerOptions{
		{RatePerIP: -1}, {RatePerIP: minRate / 2}, {RatePerIP: maxRate * 2}, {RatePerIP: math.NaN()},
		{Burst: -1}, {Burst: maxBurst + 1},
	} {
		if err := Serve(t.Context(), nil, bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
	l := newLimiter(minRate, maxBurst)
	if l.interval <= 0 || l.burst <= 0 {
		t.Errorf("the extremes overflow: %v, %v", l.interval, l.burst)
	}
}

// FuzzRespond: no datagram makes the server panic or answer more than the size of the
// request warrants.
func FuzzRespond(f *testing.F) {
	s := newTestServer(f, ServerOptions{})
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw, true)
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.Fingerprint).Raw, false)
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.RawAttribute{Type: stun.AttrChangeRequest, Value: make([]byte, 4)}).Raw, true)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		from, allowed := netip.MustParseAddrPort("127.0.0.1:9"), 12
		if v6 {
			from, allowed = netip.MustParseAddrPort("[::1]:9"), 24
		}
		answer := s.Respond(b, from)
		if answer == nil {
			return
		}
		if len(answer) > len(b)+allowed {
			t.Errorf("%d bytes answered by %d", len(b), len(answer))
		}
		if !IsSTUN(answer) || messageID(answer) != messageID(b) {
			t.Error("the answer does not belong to the request")
		}
	})
}
