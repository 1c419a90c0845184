// SPDX-License-Identifier: GPL-3.0-or-later

package netns

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// routerEnv makes the test's program a router that speaks NAT-PMP, and forwards ports by nftables; its value is the
// router's public address.
const routerEnv = "NETNS_NATPMP_ROUTER"

// serveNATPMP answers on the lan (RFC 6886), until it is killed.
func serveNATPMP(public string) error {
	conn, err := net.ListenPacket("udp4", private+"1:5351")
	if err != nil {
		return err
	}
	external := netip.MustParseAddr(public).As4()
	fmt.Println("router is up")
	b := make([]byte, 64)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		var answer []byte
		switch {
		case n == 2 && b[0] == 0 && b[1] == 0:
			answer = append([]byte{0, 128, 0, 0, 0, 0, 0, 1}, external[:]...)
		case n == 12 && b[0] == 0 && b[1] == 1:
			if err := forward(from.(*net.UDPAddr).IP, b[:n]); err != nil {
				return err
			}
			answer = append([]byte{0, 129, 0, 0, 0, 0, 0, 1}, b[4:12]...)
		default: // PCP among them
			answer = []byte{0, 128 | b[1], 0, 1, 0, 0, 0, 1}
		}
		if _, err := conn.WriteTo(answer, from); err != nil {
			return err
		}
	}
}

// forward carries a request for a mapping out.
func forward(client net.IP, b []byte) error {
	rules := "table ip natpmp\ndelete table ip natpmp\n"
	internal, external := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	if binary.BigEndian.Uint32(b[8:]) > 0 {
		rules += fmt.Sprintf("table ip natpmp { chain pre { type nat hook prerouting priority dstnat; "+
			"iifname wan udp dport %d dnat to %v:%d; }; }\n", external, client, internal)
	}
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

// TestPortMapping: a viewer behind the worst of NATs asks its router for a port, another one behind a NAT reaches it there,
// without a search for ports, and the port is taken back in the end.
func TestPortMapping(t *testing.T) {
	t.Parallel()
	const home, port = "203.0.113.10", "7000"
	l := newStreet(t, fullyRandom, dropUnasked)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	router := proc.Start(t, proc.Spec{
		Name: "router", Path: "ip", Args: []string{"netns", "exec", l.name + "router1", program},
		Env: []string{routerEnv + "=" + home}, Foreign: true,
	})
	if _, ok := router.Stdout.Await(startTime, func(line proc.Line) bool { return line.Text == "router is up" }); !ok {
		t.Fatal("the router is not up")
	}
	l.tracker(1)
	l.stream()
	a := l.watch("home1", "--udp", ":"+port)
	a.await(answerTime, "the port is mapped", func(s status) bool { return s.NAT.Mapped == home+":"+port })
	b := l.watch("home2")
	b.reaches("mapped", home+":"+port)
	playOn(t, a, b)
	a.Stop()
	proc.Eventually(t, startTime, "the port is taken back", func() error {
		if rules := l.in("router1", "nft", "list", "ruleset"); strings.Contains(rules, "natpmp") {
			return fmt.Errorf("the router still forwards it:\n%s", rules)
		}
		return nil
	})
}

// TestNoPortMapping: a viewer that is told not to ask does not.
func TestNoPortMapping(t *testing.T) {
	t.Parallel()
	l := newLab(t, private, masquerade)
	l.rules(masquerade + `
table ip seen {
	counter asked { }
	chain input {
		type filter hook input priority filter
		iifname lan udp dport { 1900, 5351 } counter name asked
	}
}`)
	l.live()
	asked := func() bool {
		return !strings.Contains(l.in("router", "nft", "list", "counter", "ip", "seen", "asked"), "packets 0")
	}
	l.watch("home", "--no-port-mapping").plays(50)
	if asked() {
		t.Error("the router was asked")
	}
	other := l.watch("home", "--http", "127.0.0.1:8081")
	proc.Eventually(t, time.Minute, "one that is told nothing asks", func() error {
		if !asked() {
			return fmt.Errorf("it has not asked")
		}
		return nil
	})
	other.plays(50)
}
