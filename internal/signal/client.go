// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"p2plive/internal/signal/signalpb"
	"p2plive/internal/sockets"
	"p2plive/libnet/nat"
	"p2plive/libnet/rudp"
)

// Config says to which tracker a Client connects, and as whom.
type Config struct {
	// URL of the tracker, "http://host:7000" or https.
	URL string

	// Identity is the one of this process's reliable-UDP sessions.
	Identity rudp.Identity

	// Announce is called for every connection, after the tracker's Hello; it
	// has to return within about two seconds (one STUN query). An error ends
	// the attempt; the next one asks again.
	Announce func(ctx context.Context, h Hello) (Announce, error)

	// Network that the tracker is reached by; default: this machine's, with
	// the proxy that the environment names.
	Network sockets.Network

	// Logger; default slog.Default().
	Logger *slog.Logger
}

// Client keeps one connection to a tracker. Its Send methods may be called at
// any time, from any goroutine; they never block.
type Client struct {
	cfg       Config
	url       *url.URL
	log       *slog.Logger
	http      *http.Client
	transport *http.Transport
	outbox    *outbox
	events    chan Event
	check     chan struct{} // capacity 1: is the tracker still there?
}

// NewClient checks the configuration. Nothing is sent before Run.
func NewClient(cfg Config) (*Client, error) {
	base, err := ParseTrackerURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	if cfg.Identity.IsZero() {
		return nil, errors.New("signal: no identity")
	}
	if cfg.Announce == nil {
		return nil, errors.New("signal: no Announce function")
	}
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if cfg.Network != nil {
		transport.Proxy, transport.DialContext = nil, cfg.Network.Dial
	}
	return &Client{
		cfg:       cfg,
		url:       u,
		log:       log.With("tracker", base),
		http:      &http.Client{Transport: transport},
		transport: transport,
		outbox:    newOutbox(),
		events:    make(chan Event, eventsSize),
		check:     make(chan struct{}, 1),
	}, nil
}

// Events is closed when Run returns. Read it until then.
func (c *Client) Events() <-chan Event { return c.events }

// FirstTry asks once whether the tracker answers, for at most five seconds. Its
// error matches ErrUnreachable. It may be called before Run.
func (c *Client) FirstTry(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url.JoinPath("healthz").String(), nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // lets the connection be used again
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: it answers %s", ErrUnreachable, resp.Status)
	}
	return nil
}

// unreachable takes the method and URL out of the message: the user named them.
func unreachable(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// Run keeps the connection up until ctx ends (then it says Bye and returns
// nil) or the tracker rejects this peer for good (*RejectedError). It may be
// called once.
func (c *Client) Run(ctx context.Context) error {
	defer close(c.events)
	defer c.transport.CloseIdleConnections()
	var pauses backoff
	away := false
	for {
		began := time.Now()
		err := c.connect(ctx, func() {
			if away {
				away = false
				c.log.Info("tracker is back")
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		var rejected *RejectedError
		if errors.As(err, &rejected) {
			c.emit(ctx, Rejected{Err: rejected})
			return rejected
		}
		if time.Since(began) > steadyAfter {
			pauses.reset()
		}
		pause := pauses.pause()
		var full *FullError
		switch {
		case errors.As(err, &full):
			pause = full.After + rand.N(full.After/2)
			c.log.Warn("not let in, trying again", "reason", full.Text, "in", pause.Round(time.Second))
			c.emit(ctx, Disconnected{Err: err})
		case !away:
			away = true
			c.log.Warn("tracker is away, trying again until it is back", "error", err)
			c.emit(ctx, Disconnected{Err: err})
		}
		select {
		case <-time.After(pause):
		case <-c.check:
		case <-ctx.Done():
			return nil
		}
	}
}

// emit waits while the reader of events is behind; see eventsSize.
func (c *Client) emit(ctx context.Context, ev Event) {
	select {
	case c.events <- ev:
	case <-ctx.Done():
	}
}

// Check asks the tracker for a sign of life at once, and connects anew where none comes soon: for a host that has slept,
// or is in another network than before.
func (c *Client) Check() {
	select {
	case c.check <- struct{}{}:
	default:
	}
}

// RequestPeers asks for up to n more candidates (at most MaxPeersRequest),
// without those in exclude; they come as a Peers event.
func (c *Client) RequestPeers(n int, exclude ...PeerID) {
	m := &signalpb.PeersRequest{Count: uint32(max(0, min(n, MaxPeersRequest)))}
	for _, id := range exclude[:min(len(exclude), MaxExclude)] {
		m.Exclude = append(m.Exclude, id[:])
	}
	c.outbox.put(&signalpb.ClientMessage{Body: &signalpb.ClientMessage_PeersRequest{PeersRequest: m}})
}

// SendReport tells the tracker how this peer does.
func (c *Client) SendReport(r Report) { c.outbox.put(r.message()) }

// SendAddrs replaces the addresses that were announced. The Announce function
// has to return them too from then on.
func (c *Client) SendAddrs(addrs []netip.AddrPort, mapped netip.AddrPort) {
	c.outbox.put(&signalpb.ClientMessage{Body: &signalpb.ClientMessage_Addresses{
		Addresses: &signalpb.Addresses{UdpAddrs: FormatAddrs(addrs), MappedAddr: FormatMapped(mapped)},
	}})
}

// ReportBadPiece accuses a peer; evidence is the piece as it came, at most
// MaxEvidence bytes (a longer one is cut).
func (c *Client) ReportBadPiece(polluter PeerID, evidence []byte) {
	c.outbox.put(&signalpb.ClientMessage{Body: &signalpb.ClientMessage_BadPiece{BadPiece: &signalpb.BadPiece{
		Polluter: polluter[:],
		Evidence: append([]byte(nil), evidence[:min(len(evidence), MaxEvidence)]...),
	}}})
}

// SendNAT tells how this peer is connected: when it is known, after each Welcome, and when it changes.
func (c *Client) SendNAT(class nat.Class) {
	c.outbox.put(&signalpb.ClientMessage{Body: &signalpb.ClientMessage_Nat{Nat: NATMessage(class)}})
}
