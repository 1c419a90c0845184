// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// ssdpGroup is where devices hear searches.
var ssdpGroup = netip.MustParseAddrPort("239.255.255.250:1900")

// location is where a device describes itself, and from which address of ours it can be reached.
type location struct {
	url   *url.URL
	local netip.Addr
}

// search asks for gateways on the network of the default route.
func search(ctx context.Context) ([]location, error) {
	local, err := localAddr()
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("udp4", net.JoinHostPort(local.String(), "0"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return searchFrom(ctx, conn, ssdpGroup)
}

// searchFrom searches by a socket (UPnP Device Architecture 1.1, section 1.3).
func searchFrom(ctx context.Context, conn net.PacketConn, group netip.AddrPort) ([]location, error) {
	ctx, cancel := context.WithTimeout(ctx, ssdpWait)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	request := fmt.Appendf(nil, "M-SEARCH * HTTP/1.1\r\nHOST: %v\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n"+
		"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n", group)
	to := net.UDPAddrFromAddrPort(group)
	if _, err := conn.WriteTo(request, to); err != nil {
		return nil, err
	}
	again := time.AfterFunc(ssdpWait/4, func() { _, _ = conn.WriteTo(request, to) }) // it is multicast: it may be lost
	defer again.Stop()

	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	var found []location
	b := make([]byte, 4096)
	for len(found) < maxDevices {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			break // the time is over
		}
		u := deviceURL(b[:n], from.(*net.UDPAddr).AddrPort().Addr().Unmap())
		if u != nil && !slices.ContainsFunc(found, func(l location) bool { return *l.url == *u }) {
			found = append(found, location{u, local})
		}
	}
	return found, nil
}

// deviceURL reads the answer to a search. A device may name only itself: nobody is to be led elsewhere.
func deviceURL(b []byte, from netip.Addr) *url.URL {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return nil
	}
	resp.Body.Close()
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusOK || !isAt(u, from) {
		return nil
	}
	return u
}

// isAt tells whether a URL is of plain HTTP at an address.
func isAt(u *url.URL, at netip.Addr) bool {
	host, err := netip.ParseAddr(u.Hostname())
	return err == nil && u.Scheme == "http" && u.User == nil && host.Unmap() == at
}

// localAddr is the address of this host in the network of its default route.
func localAddr() (netip.Addr, error) {
	conn, err := net.Dial("udp4", "192.0.2.1:9") // nothing is sent
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
