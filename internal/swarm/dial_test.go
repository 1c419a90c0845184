// SPDX-License-Identifier: GPL-3.0-or-later

package swarm

import (
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

// dialled reports whether somebody was dialled.
func (b *bench) dialled() bool {
	for _, c := range b.take() {
		if _, ok := c.(Dial); ok {
			return true
		}
	}
	return false
}
