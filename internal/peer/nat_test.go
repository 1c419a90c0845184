// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"testing"
	"testing/synctest"

	"p2plive/internal/wire"
	"p2plive/libnet/nat"
	"p2plive/libnet/simnet"
)

// TestDiscoverNAT: the tests run on the socket that carries the sessions.
func TestDiscoverNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const server = "198.51.100.1:3478"
		defer w.stunServer(server)()
		v := w.joinAs(wire.RoleViewer, w.behind(simnet.NAT4(simnet.Sequential, 2)))
		h := v.host
		if got := h.NATStatus(); got != (NATStatus{Mapping: unknown, Filtering: unknown, Type: unknown}) {
			t.Errorf("before: %+v", got)
		}
		r, err := h.DiscoverNAT(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		if r.Allocation != nat.Sequential || r.Step != 2 {
			t.Errorf("found %+v", r)
		}
		want := NATStatus{Mapping: "address-and-port-dependent", Filtering: "address-and-port-dependent", Type: "NAT4"}
		if got := h.NATStatus(); got != want {
			t.Errorf("status %+v", got)
		}
		closeAll(v)
	})
}
