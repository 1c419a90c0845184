// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"p2plive/libnet/rudp/internal/cc"
)

// Profile says whose line the endpoint sends on.
type Profile uint8

const (
	// Home yields to everything else on the line.
	Home Profile = iota
	// Server uses a line that is there to be used: it starts faster and yields later.
	Server
)

// Config of an Endpoint. Only Identity must be set; a zero field takes its default from limits.go.
type Config struct {
	// Identity is the endpoint's static key pair.
	Identity Identity
	// Prologue must be equal on both sides, or the handshake fails: it separates networks that share
	// addresses. Default empty.
	Prologue []byte

	// IdleTimeout closes a session from which nothing authentic came for that long. Default 10 s.
	IdleTimeout time.Duration
	// KeepAlive is how long a session may hear nothing before it asks the peer for a sign of life; must be
	// less than IdleTimeout. Sessions ask in step, up to a quarter of it early, and a quarter earlier still on the
	// side that was dialled, so that usually that one is first. Default 2 s.
	KeepAlive time.Duration
	// HandshakeTimeout bounds Dial, beside its context. Default 5 s.
	HandshakeTimeout time.Duration

	// MaxSessions bounds the sessions of the endpoint, dialled and accepted. Default 4096.
	MaxSessions int
	// AcceptBacklog bounds the sessions that wait for Accept; further ones are closed as busy. Default 128.
	AcceptBacklog int
	// SendQueue bounds what a channel holds that waits for its first transmission, in bytes; what is on its way is
	// bounded by the session's window and the peer's RecvQueue. Default 512 KiB.
	SendQueue int
	// RecvQueue bounds what a channel holds that the application has not read, or that waits for what was lost before
	// it, in bytes (in segments of BaseDatagram: up to a fifth more where they are longer); the peer stops sending when
	// it is full. Default 1 MiB.
	RecvQueue int

	// MaxDatagramSize bounds the datagrams of a session, in bytes of UDP payload. Sessions begin with BaseDatagram, and find
	// out whether their path carries more; BaseDatagram leaves it at that. Where a system cannot keep single datagrams
	// from being fragmented it is always left at that. Default MaxDatagram.
	MaxDatagramSize int

	// Profile is how eagerly sessions use the line. Default Home.
	Profile Profile

	// NoOffload keeps the kernel from merging datagrams on their way out and in (GSO, GRO): for comparisons, and for
	// network drivers that get them wrong. Systems without either need not be told. Default: merge where it works.
	NoOffload bool

	// OnPacket gets every datagram that is not of this protocol (STUN: first byte 0 to 3). It is called
	// from the read loop: it must not block and must not keep b. Default: they are counted and dropped.
	OnPacket func(b []byte, from netip.AddrPort)
	// OnEvent gets what happens to sessions and handshakes, one call at a time for each session, in the order of
	// events. It is called from wherever they happen, with locks held: it must not block, nor call methods of the
	// endpoint or its sessions. Default: none, which costs nothing.
	OnEvent func(Event)
	// Logger gets events per session at debug level. Default: none.
	Logger *slog.Logger
}

// congestion is how sessions share the path.
func (c *Config) congestion() cc.Config {
	if c.Profile == Server {
		return cc.Server()
	}
	home := cc.Home()
	home.InitialWindow = initialWindow
	return home
}

// withDefaults checks the configuration and gives a copy with all defaults filled in.
func (c Config) withDefaults() (Config, error) {
	if c.Identity.IsZero() {
		return c, errors.New("rudp: Config.Identity is not set")
	}
	setDefault(&c.IdleTimeout, defaultIdleTimeout)
	setDefault(&c.KeepAlive, min(defaultKeepAlive, c.IdleTimeout/4))
	setDefault(&c.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&c.MaxSessions, defaultMaxSessions)
	setDefault(&c.AcceptBacklog, defaultAcceptBacklog)
	setDefault(&c.SendQueue, defaultSendQueue)
	setDefault(&c.RecvQueue, defaultRecvQueue)
	setDefault(&c.MaxDatagramSize, MaxDatagram)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.IdleTimeout < 0 || c.KeepAlive < 0 || c.HandshakeTimeout < 0:
		return c, errors.New("rudp: a duration in Config is negative")
	case c.KeepAlive >= c.IdleTimeout:
		return c, fmt.Errorf("rudp: KeepAlive %v must be less than IdleTimeout %v", c.KeepAlive, c.IdleTimeout)
	case c.MaxSessions < 0 || c.AcceptBacklog < 0:
		return c, errors.New("rudp: a bound in Config is negative")
	case c.SendQueue < minQueue || c.RecvQueue < minQueue:
		return c, fmt.Errorf("rudp: SendQueue and RecvQueue must hold at least two messages (%d bytes)", minQueue)
	case c.MaxDatagramSize < BaseDatagram || c.MaxDatagramSize > MaxDatagram:
		return c, fmt.Errorf("rudp: MaxDatagramSize must be between %d and %d", BaseDatagram, MaxDatagram)
	case c.RecvQueue > maxRecvQueue:
		return c, fmt.Errorf("rudp: RecvQueue is at most %d bytes", maxRecvQueue)
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
