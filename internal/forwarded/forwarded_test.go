// SPDX-License-Identifier: GPL-3.0-or-later

package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

var proxies = Proxies{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}

func TestClient(t *testing.T) {
	for _, tt := range []struct {
		name, remote string
		headers      []string
		want         string
	}{
		{"direct", "203.0.113.7:5000", nil, "203.0.113.7:5000"},
		{"a stranger who claims", "203.0.113.7:5000", []string{"198.51.100.1"}, "203.0.113.7:5000"},
		{"one proxy", "127.0.0.1:5000", []string{"198.51.100.1"}, "198.51.100.1:5000"},
		{"mapped addresses", "[::ffff:127.0.0.1]:5000", []string{"::ffff:198.51.100.1"}, "198.51.100.1:5000"},
		{"two proxies", "127.0.0.1:5000", []string{"198.51.100.1, 10.1.2.3"}, "198.51.100.1:5000"},
		{"two lines", "127.0.0.1:5000", []string{"198.51.100.1", "10.1.2.3"}, "198.51.100.1:5000"},
		{"the client claims another", "127.0.0.1:5000", []string{"192.0.2.66, 198.51.100.1"}, "198.51.100.1:5000"},
		{"IPv6", "[2001:db8::1]:5000", []string{"2001:db9::7"}, "[2001:db9::7]:5000"},
		{"a zone", "127.0.0.1:5000", []string{"fe80::1%eth0"}, "[fe80::1]:5000"},
		{"proxies alone", "127.0.0.1:5000", []string{"10.0.0.2"}, "10.0.0.2:5000"},
		{"no header", "127.0.0.1:5000", nil, "127.0.0.1:5000"},
		{"rubbish", "127.0.0.1:5000", []string{"198.51.100.1, unknown"}, "127.0.0.1:5000"},
		{"rubbish further on", "127.0.0.1:5000", []string{"unknown, 10.0.0.2"}, "10.0.0.2:5000"},
		{"too many", "127.0.0.1:5000", []string{"198.51.100.1" + strings.Repeat(",10.0.0.2", maxHops)}, "10.0.0.2:5000"},
		{"no address", "pipe", []string{"198.51.100.1"}, "invalid AddrPort"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{"X-Forwarded-For": tt.headers}}
		if got := proxies.Client(r); got.String() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("127.0.0.1:5000", "198.51.100.1, 10.0.0.2")
	f.Add("[::1%lo]:5000", ",,")
	f.Fuzz(func(t *testing.T, remote, header string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {header}}}
		got := proxies.Client(r)
		if at, err := netip.ParseAddrPort(remote); err == nil && !proxies.trusts(plain(at.Addr())) && got.Addr() != plain(at.Addr()) {
			t.Errorf("%s was believed %q: %v", remote, header, got)
		}
	})
}
