// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLinkLocalAddressesKeepTheirZone(t *testing.T) {
	local := linkLocal(t)
	if !local.IsValid() {
		t.Log("no interface here has a link-local address; only the form of the address is tested")
		return
	}
	a := listenConfig(t, "[::]:0", Config{})
	b := listenConfig(t, netip.AddrPortFrom(local, 0).String(), Config{})
	out, want := equalMessages(3, 100, netip.AddrPortFrom(local, b.LocalAddr().Port()))
	if n, err := a.WriteBatch(out); n != 3 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	got, from := readAll(t, b, 3)
	if !slices.Equal(got, want) || from[0].Addr.Addr().Zone() != local.Zone() {
		t.Fatalf("got %q from %v, want zone %s", got, from[0].Addr, local.Zone())
	}
}

func linkLocal(t *testing.T) netip.Addr {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && i.Flags&net.FlagUp != 0 {
				return p.Addr().WithZone(i.Name)
			}
		}
	}
	return netip.Addr{}
}

func TestSockaddr(t *testing.T) {
	for _, text := range []string{"192.0.2.1:7100", "[2001:db8::1]:65280", "[::ffff:192.0.2.1]:1"} {
		to := netip.MustParseAddrPort(text)
		for _, is6 := range []bool{false, true} {
			var s sockaddr
			n := s.set(to, is6)
			if sends := is6 || to.Addr().Unmap().Is4(); sends != (n > 0) {
				t.Errorf("%s, IPv6 %v: length %d", text, is6, n)
			}
			if n > 0 && s.addrPort(n, nil) != unmap(to) {
				t.Errorf("%s, IPv6 %v: %v", text, is6, s.addrPort(n, nil))
			}
			if n > 0 && s.addrPort(n-1, nil).IsValid() {
				t.Errorf("%s, IPv6 %v: a cut address is taken", text, is6)
			}
		}
	}
	s := sockaddr{unix.RawSockaddrInet6{Family: unix.AF_INET6, Scope_id: 1 << 30, Addr: netip.MustParseAddr("fe80::1").As16()}}
	var zones zoneNames
	if got := s.addrPort(unix.SizeofSockaddrInet6, &zones).Addr().Zone(); got != "1073741824" {
		t.Errorf("zone %q of an unknown interface", got)
	}
	for i := range uint32(2 * maxZones) {
		zones.name(1<<29 + i)
	}
	if len(zones) > maxZones {
		t.Errorf("%d zones are remembered", len(zones))
	}
}
