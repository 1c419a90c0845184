// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"p2plive/internal/forwarded"
	"p2plive/internal/signal"
)

// bitRate is a flag for a rate in bits per second, written like 500k, 5M or
// 2.5M (decimal multiples).
type bitRate int64

var rateUnits = map[byte]float64{'k': 1e3, 'K': 1e3, 'm': 1e6, 'M': 1e6, 'g': 1e9, 'G': 1e9}

// maxBitRate is above any link: more is a slip of the hand.
const maxBitRate = 1e12

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *bitRate) UnmarshalText(text []byte) error {
	number, factor := string(text), 1.0
	if n := len(number); n > 0 {
		if f, ok := rateUnits[number[n-1]]; ok {
			number, factor = number[:n-1], f
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	// The first character keeps out what ParseFloat takes beside plain numbers: Inf, 0x1p3, -1.
	plain := err == nil && strings.Trim(number, "0123456789.") == ""
	if !plain || v*factor > maxBitRate {
		return fmt.Errorf("%q is not a rate: write bits per second like 500k, 5M or 1G", text)
	}
	*r = bitRate(math.Round(v * factor))
	return nil
}

// bytesPerSecond returns the rate in bytes per second, rounded down.
func (r bitRate) bytesPerSecond() int64 { return int64(r) / 8 }

// listenAddr is a flag for the address a socket listens on: HOST:PORT or :PORT.
type listenAddr string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *listenAddr) UnmarshalText(text []byte) error {
	if err := checkHostPort(string(text), 0); err != nil {
		return fmt.Errorf("%q is not an address to listen on: %w; write HOST:PORT, or :PORT for all interfaces", text, err)
	}
	*a = listenAddr(text)
	return nil
}

// publicAddr is a flag for the address under which others reach a socket.
type publicAddr string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *publicAddr) UnmarshalText(text []byte) error {
	err := checkHostPort(string(text), 1)
	if err == nil && strings.HasPrefix(string(text), ":") {
		err = fmt.Errorf("no host in it")
	}
	if err != nil {
		return fmt.Errorf("%q is not an address that others can reach: %w; write HOST:PORT", text, err)
	}
	*a = publicAddr(text)
	return nil
}

// ipAddr is a flag for an IP address of this host.
type ipAddr string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *ipAddr) UnmarshalText(text []byte) error {
	ip, err := netip.ParseAddr(string(text))
	if err != nil || ip.IsUnspecified() {
		return fmt.Errorf("%q is not an IP address of this host", text)
	}
	*a = ipAddr(ip.String())
	return nil
}

// checkHostPort wants a host, possibly empty, and a port number of at least
// minPort: names of services differ between machines.
func checkHostPort(s string, minPort uint64) error {
	_, port, err := net.SplitHostPort(s)
	if addrErr, ok := err.(*net.AddrError); ok {
		return fmt.Errorf("%s", addrErr.Err)
	}
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n < minPort {
		return fmt.Errorf("port %q is not a number from %d to 65535", port, minPort)
	}
	return nil
}

// trackerURL is a flag for the address of a tracker.
type trackerURL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *trackerURL) UnmarshalText(text []byte) error {
	s, err := signal.ParseTrackerURL(string(text))
	*u = trackerURL(s)
	return err
}

// streamName is a flag for the name under which a stream is announced.
type streamName string

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *streamName) UnmarshalText(text []byte) error {
	name := strings.ToLower(string(text))
	*n = streamName(name)
	return signal.CheckName(name)
}

// streamLink is an argument for the link of a stream.
type streamLink string

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *streamLink) UnmarshalText(text []byte) error {
	*l = streamLink(text)
	_, _, err := signal.ParseLink(string(text))
	return err
}

// checkDuration refuses what --duration cannot mean.
func checkDuration(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("--duration must not be negative: %v", d)
	}
	return nil
}

// ipNetwork is a flag for an IP address or a network in CIDR notation.
type ipNetwork netip.Prefix

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *ipNetwork) UnmarshalText(text []byte) error {
	if ip, err := netip.ParseAddr(string(text)); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		*n = ipNetwork(netip.PrefixFrom(ip, ip.BitLen()))
		return nil
	}
	network, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not an address or a network: write 127.0.0.1 or 10.0.0.0/8", text)
	}
	*n = ipNetwork(network.Masked())
	return nil
}

func proxies(networks []ipNetwork) forwarded.Proxies {
	var list forwarded.Proxies
	for _, n := range networks {
		list = append(list, netip.Prefix(n))
	}
	return list
}
