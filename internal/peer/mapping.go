// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"context"
	"net/netip"

	"p2plive/libnet/nat/portmap"
)

// MapPort has the home's router forward a port to the host's socket, until ctx ends; it then takes that back. changed is
// called after each change of Mapped, and must not block. Where no router could be before the socket, it returns at once.
func (h *Host) MapPort(ctx context.Context, changed func()) {
	local := h.LocalAddr()
	if ip := local.Addr(); !ip.IsUnspecified() && !ip.IsPrivate() {
		return
	}
	portmap.New(portmap.Config{Port: local.Port(), Logger: h.log, Changed: func(public netip.AddrPort) {
		h.mu.Lock()
		h.mapped = public
		h.mu.Unlock()
		changed()
	}}).Run(ctx)
}

// Mapped is the address that a router forwards to the host's socket; invalid: there is none.
func (h *Host) Mapped() netip.AddrPort {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mapped
}
