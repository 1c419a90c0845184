// SPDX-License-Identifier: GPL-3.0-or-later

package playhttp

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Guard protects a local server from DNS rebinding: a site that makes its own
// name resolve to this machine could otherwise read it through the browser of
// somebody here. Such a site's requests carry its name, so only names that it
// cannot own are answered: IP addresses, localhost, names of the local
// network, and the given hosts.
func Guard(next http.Handler, hosts ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localName(r.Host) && !slices.Contains(hosts, hostname(r.Host)) {
			http.Error(w, "this address is not served under that name", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func localName(host string) bool {
	name := hostname(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	// A name without a dot is never one of the public DNS, .local is mDNS.
	return name != "" && !strings.Contains(name, ".") ||
		strings.HasSuffix(name, ".localhost") || strings.HasSuffix(name, ".local")
}
