// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
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
	RatePerIP float64      // answers per second to one IPv4 address or IPv6 /64; default 20; 0.001 to 1e6
	Burst     int          // answers at once to one; default 100, at most 1e6
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

// Server answers Binding requests with the address they came from.
//
// It is of little use to multiply forged traffic: a request is answered by at most one datagram, at
// most 12 bytes larger than the request over IPv4 and 24 over IPv6 (48 bytes on the wire become 60,
// 68 become 92), at a limited rate per address.
type Server struct {
	log     *slog.Logger
	limiter *limiter

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
	return &Server{log: opts.Logger, limiter: newLimiter(opts.RatePerIP, opts.Burst)}, nil
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
// may be called from several goroutines.
func (s *Server) Respond(b []byte, from netip.AddrPort) []byte {
	if !IsSTUN(b) || messageType(b) != bindingRequest {
		s.other.Add(1)
		return nil
	}
	if !s.limiter.allow(from.Addr()) { // before any work is done for it
		s.limited.Add(1)
		return nil
	}
	request, err := decode(b)
	if err != nil {
		s.malformed.Add(1)
		return nil
	}
	setters := []stun.Setter{stun.NewTransactionIDSetter(request.TransactionID)}
	counter := &s.answered
	if unknown := unknownAttributes(request); len(unknown) > 0 {
		counter = &s.refused
		setters = append(setters, stun.BindingError, stun.ErrorCodeAttribute{Code: stun.CodeUnknownAttribute}, unknown)
	} else {
		from = plain(from)
		setters = append(setters, stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())})
	}
	if request.Contains(stun.AttrFingerprint) {
		setters = append(setters, stun.Fingerprint)
	}
	response, err := stun.Build(setters...)
	if err != nil { // from is no address
		s.malformed.Add(1)
		return nil
	}
	counter.Add(1)
	return response.Raw
}

// unknownAttributes lists what a request demands to be understood (RFC 8489, section 6.3.1) and
// is not, once each. Credentials are passed over: whoever sends them gets what others get.
func unknownAttributes(m *stun.Message) stun.UnknownAttributes {
	var unknown stun.UnknownAttributes
	seen := make(map[stun.AttrType]bool)
	for _, a := range m.Attributes {
		if a.Type.Required() && !understood(a.Type) && !seen[a.Type] {
			seen[a.Type] = true
			unknown = append(unknown, a.Type)
		}
	}
	return unknown
}

func understood(t stun.AttrType) bool {
	switch t {
	case stun.AttrMappedAddress, stun.AttrXORMappedAddress, stun.AttrErrorCode, stun.AttrUnknownAttributes,
		stun.AttrUsername, stun.AttrUserhash, stun.AttrRealm, stun.AttrNonce,
		stun.AttrMessageIntegrity, stun.AttrMessageIntegritySHA256, stun.AttrPasswordAlgorithm:
		return true
	}
	return false
}

// Serve answers requests on pc until ctx is done, and then returns its cause; pc stays open,
// with its read deadline passed. If pc is closed or fails for good, it returns that error.
func (s *Server) Serve(ctx context.Context, pc net.PacketConn) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		if err := pc.SetReadDeadline(time.Unix(1, 0)); err != nil && !errors.Is(err, net.ErrClosed) {
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
		n, from, err := pc.ReadFrom(buf)
		switch {
		case err == nil:
			failures = 0
			s.answer(pc, buf[:n], from)
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

func (s *Server) answer(pc net.PacketConn, b []byte, from net.Addr) {
	udp, ok := from.(*net.UDPAddr)
	if !ok {
		s.other.Add(1)
		return
	}
	response := s.Respond(b, udp.AddrPort())
	if response == nil {
		return
	}
	if _, err := pc.WriteTo(response, from); err != nil {
		s.failed.Add(1)
		s.log.Debug("STUN server failed to answer", "to", from, "err", err)
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
