// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v3"
)

// ServerOptions configure a Server. The zero value is usable.
type ServerOptions struct {
	Logger    *slog.Logger // default: slog.Default()
	RatePerIP float64      // answers per second to one IPv4 address or IPv6 /64; default 50; 0.001 to 1e6
	Burst     int          // answers at once to one; default 400, at most 1e6

	// OnRequest gets what IsRequest recognises, at four times the rate of answers per address. What it returns
	// goes back to where the request came from; nil: nothing. It must not keep b. Default: they are dropped.
	OnRequest func(b []byte, from netip.AddrPort) []byte
}

func (o ServerOptions) filled() (ServerOptions, error) {
	if o.RatePerIP != 0 && !(o.RatePerIP >= minRate && o.RatePerIP <= maxRate) {
		return o, fmt.Errorf("nat: rate per address %v is not between %v and %v", o.RatePerIP, minRate, maxRate)
	}
	if o.Burst < 0 || o.Burst > maxBurst {
		return o, fmt.Errorf("nat: burst %v is not between 0 and %v", o.Burst, maxBurst)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.RatePerIP == 0 {
		o.RatePerIP = defaultRate
	}
	if o.Burst == 0 {
		o.Burst = defaultBurst
	}
	return o, nil
}

// Server answers Binding requests with the address they came from and, with the sockets for it,
// the tests of NAT behaviour (RFC 5780).
//
// It is of little use to multiply forged traffic: a request is answered by one datagram at most, to
// the address it came from, at a limited rate per address. An answer is at most twice its request,
// both with their IP and UDP headers; what does not fit is left out. Without further sockets, 48
// bytes on the wire become 60 over IPv4, and 68 become 92 over IPv6.
type Server struct {
	log       *slog.Logger
	limiter   *limiter
	onRequest func(b []byte, from netip.AddrPort) []byte
	requests  *limiter // those for onRequest

	answered, refused, limited, malformed, other, failed atomic.Uint64
}

// ServerStats counts datagrams received, by what became of them.
type ServerStats struct {
	Answered  uint64 // with an address
	Refused   uint64 // with error 420: an attribute that must be understood and is not
	Limited   uint64 // dropped: beyond the rate of their address
	Malformed uint64 // dropped: STUN by its header, but not to be parsed
	Other     uint64 // dropped: not a Binding request
	Failed    uint64 // of those answered or refused: the answer could not be sent
}

// NewServer returns a server without a socket: for Serve, or for Respond where the socket is
// shared with other protocols.
func NewServer(opts ServerOptions) (*Server, error) {
	opts, err := opts.filled()
	if err != nil {
		return nil, err
	}
	return &Server{
		log: opts.Logger, limiter: newLimiter(opts.RatePerIP, opts.Burst),
		onRequest: opts.OnRequest, requests: newLimiter(requestRates*opts.RatePerIP, requestRates*opts.Burst),
	}, nil
}

// Serve runs a Server on pc until ctx is done. See Server.Serve.
func Serve(ctx context.Context, pc net.PacketConn, opts ServerOptions) error {
	s, err := NewServer(opts)
	if err != nil {
		return err
	}
	return s.Serve(ctx, pc)
}

// Stats returns the counters.
func (s *Server) Stats() ServerStats {
	return ServerStats{
		Answered:  s.answered.Load(),
		Refused:   s.refused.Load(),
		Limited:   s.limited.Load(),
		Malformed: s.malformed.Load(),
		Other:     s.other.Load(),
		Failed:    s.failed.Load(),
	}
}

// Respond returns the answer to a datagram, nil if there is none to send. It never keeps b, and
// may be called from several goroutines. It does not answer the tests of RFC 5780.
func (s *Server) Respond(b []byte, from netip.AddrPort) []byte {
	return s.respond(b, from, view{}).packet
}

// response is a datagram and how to send it.
type response struct {
	packet []byte // nil: none
	to     netip.AddrPort
	change change // in its source
}

func (s *Server) respond(b []byte, from netip.AddrPort, at view) response {
	if !IsSTUN(b) || messageType(b) != bindingRequest {
		s.other.Add(1)
		return response{}
	}
	if !s.limiter.allow(from.Addr()) { // before any work is done for it
		s.limited.Add(1)
		return response{}
	}
	request, err := decode(b)
	if err != nil {
		s.malformed.Add(1)
		return response{}
	}
	wish, err := readWish(request)
	if err != nil {
		s.malformed.Add(1)
		return response{}
	}
	r := response{to: from}
	setters := []stun.Setter{stun.NewTransactionIDSetter(request.TransactionID)}
	counter := &s.answered
	if unknown := unknownAttributes(request, at, wish); len(unknown) > 0 {
		counter = &s.refused
		setters = append(setters, stun.BindingError, stun.ErrorCodeAttribute{Code: stun.CodeUnknownAttribute}, unknown)
	} else {
		from = plain(from)
		setters = append(setters, stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())})
		if at.tests() {
			r.change = wish.change
			setters = append(setters, places(at, wish.change, from.Addr(), request)...)
		}
		if wish.port != 0 {
			r.to = netip.AddrPortFrom(r.to.Addr(), wish.port)
		}
	}
	if request.Contains(stun.AttrFingerprint) {
		setters = append(setters, stun.Fingerprint)
	}
	answer, err := stun.Build(setters...)
	if err != nil { // from is no address
		s.malformed.Add(1)
		return response{}
	}
	counter.Add(1)
	r.packet = answer.Raw
	return r
}

// wish is what a request wants done with the answer.
type wish struct {
	change change
	port   uint16 // RESPONSE-PORT; 0: where the request came from
}

func readWish(m *stun.Message) (w wish, err error) {
	if value, err := m.Get(stun.AttrChangeRequest); err == nil {
		if len(value) != 4 {
			return w, errMalformed
		}
		w.change = change{addr: value[3]&changeAddrBit != 0, port: value[3]&changePortBit != 0}
	}
	if value, err := m.Get(stun.AttrResponsePort); err == nil {
		if len(value) != 2 && len(value) != 4 { // both are in use
			return w, errMalformed
		}
		if w.port = binary.BigEndian.Uint16(value); w.port == 0 {
			return w, errMalformed
		}
	}
	return w, nil
}

// places are the attributes OTHER-ADDRESS and RESPONSE-ORIGIN, as far as they fit into twice the
// size of the request.
func places(at view, c change, to netip.Addr, request *stun.Message) []stun.Setter {
	headers, address := 28, 4+4+4
	if to.Is6() {
		headers, address = 48, 4+4+16
	}
	room := 2*(headers+len(request.Raw)) - headers - headerSize - address // behind XOR-MAPPED-ADDRESS
	if request.Contains(stun.AttrFingerprint) {
		room -= 8
	}
	var setters []stun.Setter
	if room >= address {
		other := at.other()
		ip := other.Addr()
		if !ip.IsValid() || ip.Is4() != to.Is4() { // not known: the client takes it for the one it asked
			ip = unspecified(to)
		}
		setters = append(setters, &stun.OtherAddress{IP: ip.AsSlice(), Port: int(other.Port())})
		room -= address
	}
	if _, from := at.from(c); room >= address && from.Addr().Is4() == to.Is4() && !from.Addr().IsUnspecified() && from.IsValid() {
		setters = append(setters, &stun.ResponseOrigin{IP: from.Addr().AsSlice(), Port: int(from.Port())})
	}
	return setters
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// unknownAttributes lists what a request demands to be understood (RFC 8489, section 6.3.1) and
// is not, once each. Credentials are passed over: whoever sends them gets what others get.
func unknownAttributes(m *stun.Message, at view, w wish) stun.UnknownAttributes {
	var unknown stun.UnknownAttributes
	seen := make(map[stun.AttrType]bool)
	for _, a := range m.Attributes {
		if a.Type.Required() && !understood(a.Type, at, w) && !seen[a.Type] {
			seen[a.Type] = true
			unknown = append(unknown, a.Type)
		}
	}
	return unknown
}

func understood(t stun.AttrType, at view, w wish) bool {
	switch t {
	case stun.AttrMappedAddress, stun.AttrXORMappedAddress, stun.AttrErrorCode, stun.AttrUnknownAttributes,
		stun.AttrUsername, stun.AttrUserhash, stun.AttrRealm, stun.AttrNonce,
		stun.AttrMessageIntegrity, stun.AttrMessageIntegritySHA256, stun.AttrPasswordAlgorithm:
		return true
	case stun.AttrChangeRequest:
		return at.can(w.change)
	case stun.AttrResponsePort:
		return at.tests()
	}
	return false
}

// Serve answers requests on pc until ctx is done, and then returns its cause; pc stays open,
// with its read deadline passed. If pc is closed or fails for good, it returns that error.
func (s *Server) Serve(ctx context.Context, pc net.PacketConn) error {
	return s.ServeSockets(ctx, Sockets{{pc}})
}

// serve answers what comes to one socket.
func (s *Server) serve(ctx context.Context, all *site, a, p int) error {
	here := all[a][p]
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		if err := here.pc.SetReadDeadline(time.Unix(1, 0)); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Error("STUN server cannot stop reading", "err", err)
		}
	})
	defer func() {
		if !stop() {
			<-interrupted
		}
	}()
	buf := make([]byte, maxMessage+1) // what is longer is cut off, and then not recognised
	for failures := 0; ; {
		n, from, arrived, err := here.read(buf)
		switch {
		case err == nil:
			failures = 0
			s.answer(buf[:n], from, view{all, a, p, arrived})
			continue
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, net.ErrClosed) || failures == maxReadErrors:
			return fmt.Errorf("read STUN requests: %w", err)
		}
		failures++
		s.log.Debug("STUN server failed to read", "err", err)
		if !sleep(ctx, readErrorPause) {
			return context.Cause(ctx)
		}
	}
}

func (s *Server) answer(b []byte, from netip.AddrPort, at view) {
	r := response{to: from}
	switch {
	case s.onRequest == nil || !IsRequest(b):
		r = s.respond(b, from, at)
	case s.requests.allow(from.Addr()):
		r.packet = s.onRequest(b, from)
	default:
		s.limited.Add(1)
	}
	if r.packet == nil {
		return
	}
	by, source := at.from(r.change)
	if err := by.write(r.packet, r.to, source.Addr()); err != nil {
		s.failed.Add(1)
		s.log.Debug("STUN server failed to answer", "to", r.to, "err", err)
	}
}

// sleep returns false if ctx ended it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
