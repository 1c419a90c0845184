// SPDX-License-Identifier: GPL-3.0-or-later

package vnet

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"time"

	"p2plive/internal/sockets"
	"p2plive/libnet/simnet"
)

const (
	// homeDown is a viewer's downlink, in bits a second, unless its uplink is
	// faster: what is bound here is the giving, not the taking.
	homeDown = 20_000_000
	// edgeCopies is an edge's uplink, in copies of the stream, as in the event
	// simulator: enough for those who come at one time, too little for all.
	edgeCopies = 64
	// headers of IPv4 and UDP count on every line.
	headers = 28
	// firstHost leaves the low addresses to nobody in particular.
	firstHost = 16
)

// world is a network with a host for each role. It makes them as they are
// asked for.
type world struct {
	sc      Scenario
	net     *simnet.Network
	board   switchboard
	rng     *rand.Rand
	uplinks []int64
	hosts   uint32
}

func newWorld(sc Scenario, viewers int, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 0x766e6574))
	return &world{
		sc: sc, net: simnet.New(seed), rng: rng, uplinks: sc.deal(viewers, rng),
		board: switchboard{listeners: make(map[string]*listener)},
	}
}

func (w *world) Tracker() sockets.Network { return w.host(0, 0) }
func (w *world) Source() sockets.Network  { return w.host(0, 0) }
func (w *world) Edge() sockets.Network    { return w.host(w.EdgeUplink(), 0) }
func (w *world) EdgeUplink() int64        { return edgeCopies * w.sc.Rate }
func (w *world) Uplink(i int) int64       { return w.uplinks[i] }
func (w *world) Viewer(i int) sockets.Network {
	up := w.uplinks[i]
	return w.host(up, max(up, homeDown))
}

// host makes a host with a line of these rates; 0 has no limit.
func (w *world) host(up, down int64) sockets.Network {
	var ip [4]byte
	// The range for benchmarks (RFC 2544): neither private nor anybody's.
	binary.BigEndian.PutUint32(ip[:], 198<<24|18<<16+firstHost+w.hosts)
	w.hosts++
	// A path passes an up and a down link, and a round trip two of each.
	low, high := w.sc.MinRTT/4, w.sc.MaxRTT/4
	line := simnet.Link{Delay: low + time.Duration(w.rng.Int64N(int64(high-low)+1)), Loss: w.sc.Loss / 2, Overhead: headers}
	upLine, downLine := line, line
	upLine.Rate, downLine.Rate = up, down
	h, err := w.net.Host(netip.AddrFrom4(ip), upLine, downLine)
	if err != nil {
		return broken{err}
	}
	return &host{h, &w.board}
}

// host is a machine of the network.
type host struct {
	*simnet.Host
	board *switchboard
}

func (h *host) ListenPacket(address string) (net.PacketConn, error) {
	port, err := portOf(address)
	if err != nil {
		return nil, err
	}
	return h.Host.ListenPacket(port)
}

func (h *host) Listen(address string) (net.Listener, error) {
	port, err := portOf(address)
	if err != nil {
		return nil, err
	}
	if port == 0 {
		port = 80 // there is one server on a host
	}
	return h.board.listen(h.tcp(port))
}

func (h *host) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	return h.board.dial(ctx, h.tcp(0), address)
}

func (h *host) tcp(port uint16) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.Addr(), port))
}

func portOf(address string) (uint16, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("address %s: %w", address, err)
	}
	return uint16(n), nil
}

// broken is a host that could not be made.
type broken struct{ err error }

func (b broken) ListenPacket(string) (net.PacketConn, error) { return nil, b.err }
func (b broken) Listen(string) (net.Listener, error)         { return nil, b.err }
func (b broken) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, b.err
}
