// SPDX-License-Identifier: GPL-3.0-or-later

package tunnel

import (
	"net/http"
	"net/netip"
	"sync"

	"github.com/coder/websocket"
)

// ServerConfig of a Server.
type ServerConfig struct {
	// Accept gets each tunnel, and owns it: it must not block, and must have the tunnel read. The tunnel's remote
	// address is that of the client.
	Accept func(*Conn)
	// ClientAddr tells a request's client, where a proxy stands before the server. Default: who has connected.
	ClientAddr func(*http.Request) netip.AddrPort
	// MaxTunnels bounds the tunnels at a time. Default 1024. One address has 64 at most.
	MaxTunnels int
}

// Server accepts tunnels as an http.Handler. A request that finds no room is answered 503.
type Server struct {
	cfg ServerConfig

	mu     sync.Mutex
	open   map[*Conn]bool
	places map[netip.Prefix]int // taken, by address
	taken  int
	closed bool
	serves sync.WaitGroup
}

// NewServer makes a server. Close must be called in the end.
func NewServer(cfg ServerConfig) *Server {
	if cfg.MaxTunnels == 0 {
		cfg.MaxTunnels = defaultMaxTunnels
	}
	if cfg.ClientAddr == nil {
		cfg.ClientAddr = func(r *http.Request) netip.AddrPort {
			a, _ := netip.ParseAddrPort(r.RemoteAddr)
			return a
		}
	}
	return &Server{cfg: cfg, open: make(map[*Conn]bool), places: make(map[netip.Prefix]int)}
}

// ServeHTTP turns a request into a tunnel, and returns when that has ended.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client := s.cfg.ClientAddr(r)
	if !s.enter(client) {
		http.Error(w, "no room for another tunnel", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(client)
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	c := newConn(ws, client, firstTimeout)
	if !s.keep(c) {
		c.Close()
		return
	}
	s.cfg.Accept(c)
	<-c.Done()
	s.forget(c)
}

// Close closes all tunnels and returns when their requests have been served.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	open := make([]*Conn, 0, len(s.open))
	for c := range s.open {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		s.serves.Go(func() { c.Close() }) // each may linger
	}
	s.serves.Wait()
}

// enter takes a place for a tunnel, if there is one.
func (s *Server) enter(client netip.AddrPort) bool {
	key := customer(client.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.taken >= s.cfg.MaxTunnels || s.places[key] >= maxPerAddress {
		return false
	}
	s.taken++
	s.places[key]++
	s.serves.Add(1)
	return true
}

func (s *Server) leave(client netip.AddrPort) {
	key := customer(client.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.places[key]--; s.places[key] == 0 {
		delete(s.places, key)
	}
	s.serves.Done()
}

func (s *Server) keep(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.open[c] = true
	}
	return !s.closed
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// customer is what one customer has: an IPv4 address or an IPv6 /64.
func customer(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}
