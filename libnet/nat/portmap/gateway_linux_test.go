// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRouteGateway(t *testing.T) {
	native := fmt.Sprintf("%08X", binary.NativeEndian.Uint32([]byte{192, 168, 1, 1}))
	const header = "Iface\tDestination\tGateway \tFlags\n"
	for table, want := range map[string]string{
		header + "eth0\t00000000\t" + native + "\t0003\n":                                 "192.168.1.1",
		header + "eth0\t0001A8C0\t00000000\t0001\neth0\t00000000\t" + native + "\t0003\n": "192.168.1.1",
		header + "ppp0\t00000000\t00000000\t0001\n":                                       "",
		header + "eth0\t00000000\tnonsense\t0003\neth0\t00000000\t01\t0003\nshort\n":      "",
		"": "",
	} {
		got, err := routeGateway(strings.NewReader(table))
		if want == "" && !errors.Is(err, errNoGateway) || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%q: %v, %v", table, got, err)
		}
	}
}
