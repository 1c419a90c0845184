// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"p2plive/internal/wire"
)

// An edge that fed the viewer has been restarted, and may be back: it is dialled soon,
// however often that happens. One that only lets go is dialled ever more seldom.
func TestRedial(t *testing.T) {
	for name, fed := range map[string]bool{"fed": true, "not fed": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Config{})
			b.do(Introduced{Peers: []wire.PeerInfo{{ID: edgeA, Role: wire.RoleEdge}}})
			var waits []time.Duration
			for range maxLosses + 2 {
				b.up(edgeA, wire.RoleEdge)
				if fed {
					b.have(edgeA, 0, 0, true)
					b.pass(20 * time.Millisecond)
					b.acceptAll()
				}
				b.pass(time.Second)
				b.do(PeerDown{Peer: edgeA})
				b.take()
				lost := b.now
				for !b.dialled() {
					b.pass(busyTick)
				}
				waits = append(waits, b.now-lost)
			}
			first, last := waits[0], waits[len(waits)-1]
			if most := redialAfter + 2*keepEvery; first > most {
				t.Errorf("the first time it was dialled after %v", first)
			} else if fed && last > most {
				t.Errorf("dialled after %v", waits)
			}
			if !fed && last < redialAfter<<maxLosses {
				t.Errorf("dialled after %v", waits)
			}
		})
	}
}

// An edge that was restarted without its key is another peer at the same address:
// dials to the one before keep nobody from asking for it, and from dialling it.
func TestEdgeWithAnotherKey(t *testing.T) {
	addrs := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:7101")}
	b := newBench(t, Config{})
	for i := range byte(5) {
		edge := wire.PeerID{0xe0, i}
		b.do(Introduced{Peers: []wire.PeerInfo{{ID: edge, Role: wire.RoleEdge, Addrs: addrs}}})
		b.pass(2 * keepEvery)
		if dials := of[Dial](b.take()); !slices.ContainsFunc(dials, func(d Dial) bool { return d.Peer.ID == edge }) {
			t.Fatalf("edge %d is not dialled", i)
		}
		b.up(edge, wire.RoleEdge)
		b.have(edge, 0, 0, true)
		b.pass(20 * time.Millisecond)
		b.acceptAll()
		b.pass(time.Second)
		b.do(PeerDown{Peer: edge})
		b.take()
		b.pass(wantEvery + 2*keepEvery)
		if len(of[WantPeers](b.take())) == 0 {
			t.Fatalf("nobody asks for edges after edge %d", i)
		}
	}
}

// dialled reports whether somebody was dialled.
func (b *bench) dialled() bool {
	for _, c := range b.take() {
		if _, ok := c.(Dial); ok {
			return true
		}
	}
	return false
}
