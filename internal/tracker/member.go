// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"net/netip"
	"time"

	"p2plive/internal/signal"
	"p2plive/internal/signal/signalpb"
	"p2plive/internal/wire"
	"p2plive/libnet/nat"
)

// connID names one long connection of this tracker's run.
type connID uint64

// announcement is a verified Announce.
type announcement struct {
	peer     signal.PeerID
	role     signal.Role
	addrs    []netip.AddrPort
	mapped   netip.AddrPort // the one of addrs that a router forwards on request
	observed netip.Addr
	requests nat.RequestKey // of its connection requests

	// edge
	httpURL string
	load    signal.Load

	// source
	stream signal.StreamID
	name   string

	// viewer
	target   string // lower-case name or id of the stream
	edgeOnly bool
	let      signal.StreamID // it has been let into this stream before; zero: none
}

// member is an announced peer.
type member struct {
	announcement
	id      connID
	renewAt time.Time     // of its ticket; zero: it has none
	last    signal.Report // viewer
	ways    []signal.Way  // viewer: of its connections, as they are counted
	nat     nat.Class     // zero: not known yet

	// viewer
	queued *stream   // waits to be let into it; nil: it does not wait
	place  int       // in the queue, as it was told
	toldAt time.Time // when
	spots  [2]int    // in its audience's lists of those around its places

	// edge
	assigned uint32                             // peers sent here since its last report
	reported time.Time                          // when it came
	carries  map[signal.StreamID]signal.Carried // by its last report
	owes     int64                              // kbit/s, the sum of their OutKbps
	asked    map[signal.StreamID]time.Time      // told to carry
}

func (m *member) sessions() uint64 { return uint64(m.load.Sessions) + uint64(m.assigned) }

// cleanAddrs makes what a peer says of itself fit to be handed on: unspecified
// hosts become the observed one, addresses that no peer can have are left out.
func cleanAddrs(in []netip.AddrPort, observed netip.Addr) []netip.AddrPort {
	var out []netip.AddrPort
	seen := make(map[netip.AddrPort]bool)
	for _, a := range in {
		ip := a.Addr().Unmap()
		if ip.IsUnspecified() {
			ip = observed
		}
		a = netip.AddrPortFrom(ip, a.Port())
		broadcast := ip == netip.AddrFrom4([4]byte{255, 255, 255, 255})
		if !ip.IsValid() || ip.IsMulticast() || broadcast || a.Port() == 0 || seen[a] {
			continue
		}
		seen[a] = true
		out = append(out, a)
	}
	return out
}

// isLocal says that an address means nothing outside of its own network.
func isLocal(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
}

// sameNetwork says that two peers may reach each other's local addresses: they
// come from behind the same address, or both from networks of the tracker's own.
func sameNetwork(a, b netip.Addr) bool {
	return a == b || isLocal(a) && isLocal(b)
}

// infoFor is what one peer is told of another. Local addresses stay within
// their network: outside they are useless, and tell strangers about a home.
func (m *member) infoFor(to *member) *signalpb.PeerInfo {
	addrs := m.addrs
	if m.role != wire.RoleEdge && !sameNetwork(m.observed, to.observed) {
		addrs = nil
		for _, a := range m.addrs {
			if !isLocal(a.Addr()) {
				addrs = append(addrs, a)
			}
		}
	}
	return &signalpb.PeerInfo{
		PeerId:   m.peer[:],
		UdpAddrs: signal.FormatAddrs(addrs), MappedAddr: signal.FormatMapped(m.mapped),
		Role:    signalpb.Role(m.role),
		HttpUrl: m.httpURL,
	}
}

// audience is the viewers of one name or id; sampled at random, so a list with
// an index.
type audience struct {
	list  []*member
	index map[connID]int
	near  nearby
	ways  map[signal.Way]int // connections, each as its viewers see it
}

// count counts a viewer's connections anew.
func (a *audience) count(m *member, ways []signal.Way) {
	if a.ways == nil {
		a.ways = make(map[signal.Way]int)
	}
	for _, w := range m.ways {
		if a.ways[w]--; a.ways[w] == 0 {
			delete(a.ways, w)
		}
	}
	for _, w := range ways {
		a.ways[w]++
	}
	m.ways = ways
}

func (a *audience) add(m *member) {
	if a.index == nil {
		a.index = make(map[connID]int)
	}
	a.index[m.id] = len(a.list)
	a.list = append(a.list, m)
	a.near.add(m)
}

func (a *audience) remove(m *member) {
	i, ok := a.index[m.id]
	if !ok {
		return
	}
	a.count(m, nil)
	a.near.remove(m)
	last := len(a.list) - 1
	a.list[i] = a.list[last]
	a.index[a.list[i].id] = i
	a.list[last] = nil
	a.list = a.list[:last]
	delete(a.index, m.id)
}
