// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
)

var errNoGateway = errors.New("no default route")

// defaultGateway is the router of the default route.
func defaultGateway() (netip.Addr, error) {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return guessGateway()
	}
	defer f.Close()
	return routeGateway(f)
}

// routeGateway reads the kernel's table of routes.
func routeGateway(table io.Reader) (netip.Addr, error) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		// Interface, destination and gateway, in hexadecimal of the host's byte order.
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || fields[1] != "00000000" {
			continue
		}
		b, err := hex.DecodeString(fields[2])
		if err != nil || len(b) != 4 {
			continue
		}
		ip := netip.AddrFrom4([4]byte(binary.NativeEndian.AppendUint32(nil, binary.BigEndian.Uint32(b))))
		if !ip.IsUnspecified() {
			return ip, nil
		}
	}
	return netip.Addr{}, errNoGateway
}
