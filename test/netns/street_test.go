// SPDX-License-Identifier: GPL-3.0-or-later

package netns

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newStreet builds homes behind routers of their own, each at a provider of its own: between two homes there are more
// routers than a datagram passes that is to open a NAT only. Home i is reached as 203.0.(113+i).10. Rules are of the
// routers, in nftables' language.
func newStreet(t *testing.T, rules ...string) *lab {
	t.Helper()
	l := &lab{t: t, name: fmt.Sprintf("p2plive-%d-%d-", pid, labs.Add(1)), lan: private}
	l.space("internet")
	for _, addr := range []string{tracker1, tracker2} {
		l.in("internet", "ip", "addr", "add", addr+"/32", "dev", "lo")
	}
	l.forwards("internet")
	for i, r := range rules {
		home, router, isp := nth("home", i), nth("router", i), nth("isp", i)
		for _, ns := range []string{home, router, isp} {
			l.space(ns)
		}
		wan, line := fmt.Sprintf("203.0.%d.", 113+i), fmt.Sprintf("192.0.2.%d", 4*i)
		l.in(router, "ip", "link", "add", "lan", "type", "bridge")
		l.in(router, "ip", "addr", "add", private+"1/24", "dev", "lan")
		l.in(router, "ip", "link", "set", "lan", "up")
		l.plug(i, home, "2")
		l.wire(router, "wan", wan+"10/24", isp, "eth0", wan+"1/24")
		l.wire(isp, "eth1", next(line, 1)+"/30", "internet", fmt.Sprintf("eth%d", i), next(line, 2)+"/30")
		l.in(router, "ip", "route", "add", "default", "via", wan+"1")
		l.in(isp, "ip", "route", "add", "default", "via", next(line, 2))
		l.in("internet", "ip", "route", "add", wan+"0/24", "via", next(line, 1))
		l.forwards(router)
		l.forwards(isp)
		l.rulesOf(router, r)
	}
	return l
}

// nth names a namespace of a street.
func nth(kind string, i int) string { return fmt.Sprint(kind, i+1) }

// next is the address n after one whose last part is small.
func next(addr string, n int) string {
	dot := strings.LastIndexByte(addr, '.')
	var last int
	fmt.Sscan(addr[dot+1:], &last)
	return fmt.Sprint(addr[:dot+1], last+n)
}

// space makes a namespace for as long as the test runs.
func (l *lab) space(ns string) {
	l.t.Helper()
	l.run("ip", "netns", "add", l.name+ns)
	l.t.Cleanup(func() { l.run("ip", "netns", "del", l.name+ns) })
	l.in(ns, "ip", "link", "set", "lo", "up")
}

// plug connects a namespace to the LAN of home i, at the address that ends in host.
func (l *lab) plug(i int, ns, host string) {
	l.t.Helper()
	router, port := nth("router", i), "port"+host
	l.run("ip", "link", "add", "eth0", "netns", l.name+ns, "type", "veth", "peer", "name", port, "netns", l.name+router)
	l.in(ns, "ip", "addr", "add", private+host+"/24", "dev", "eth0")
	l.in(ns, "ip", "link", "set", "eth0", "up")
	l.in(router, "ip", "link", "set", port, "master", "lan", "up")
	l.in(ns, "ip", "route", "add", "default", "via", private+"1")
}

func (l *lab) forwards(ns string) {
	l.t.Helper()
	l.in(ns, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
}

func (l *lab) rulesOf(router, rules string) {
	l.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", l.name+router, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader("flush ruleset\n" + rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("nft: %v\n%s\n%s", err, out, rules)
	}
}

// ipv6 gives home i an address of IPv6 that all the world may send to, behind a firewall that lets in what answers.
func (l *lab) ipv6(i int) {
	l.t.Helper()
	home, router, isp := nth("home", i), nth("router", i), nth("isp", i)
	prefix := func(kind int) string { return fmt.Sprintf("2001:db8:%d:%d::", i+1, kind) }
	for _, a := range [][3]string{
		{home, "eth0", prefix(1) + "2"}, {router, "lan", prefix(1) + "1"}, {router, "wan", prefix(2) + "2"},
		{isp, "eth0", prefix(2) + "1"}, {isp, "eth1", prefix(3) + "2"}, {"internet", fmt.Sprintf("eth%d", i), prefix(3) + "1"},
	} {
		l.in(a[0], "ip", "addr", "add", a[2]+"/64", "dev", a[1], "nodad")
	}
	for _, ns := range []string{router, isp, "internet"} {
		l.in(ns, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
	}
	l.in(home, "ip", "route", "add", "default", "via", prefix(1)+"1")
	l.in(router, "ip", "route", "add", "default", "via", prefix(2)+"1")
	l.in(isp, "ip", "route", "add", "default", "via", prefix(3)+"1")
	l.in(isp, "ip", "route", "add", prefix(1)+"/64", "via", prefix(2)+"2")
	l.in("internet", "ip", "route", "add", fmt.Sprintf("2001:db8:%d::/48", i+1), "via", prefix(3)+"2")
}

// newCarrier builds two homes behind routers of their own, and both of those behind one NAT of the provider.
func newCarrier(t *testing.T, router, carrier string) *lab {
	t.Helper()
	l := &lab{t: t, name: fmt.Sprintf("p2plive-%d-%d-", pid, labs.Add(1)), lan: private}
	for _, ns := range []string{"internet", "carrier"} {
		l.space(ns)
	}
	l.in("internet", "ip", "addr", "add", tracker1+"/32", "dev", "lo")
	l.wire("carrier", "wan", "192.0.2.2/30", "internet", "eth0", "192.0.2.1/30")
	l.in("carrier", "ip", "route", "add", "default", "via", "192.0.2.1")
	l.in("carrier", "ip", "link", "add", "lan", "type", "bridge")
	l.in("carrier", "ip", "addr", "add", "100.64.0.1/24", "dev", "lan")
	l.in("carrier", "ip", "link", "set", "lan", "up")
	l.forwards("carrier")
	l.rulesOf("carrier", carrier)
	for i := range 2 {
		home, box, port := nth("home", i), nth("router", i), nth("port", i)
		l.space(home)
		l.space(box)
		l.run("ip", "link", "add", "wan", "netns", l.name+box, "type", "veth", "peer", "name", port, "netns", l.name+"carrier")
		l.in("carrier", "ip", "link", "set", port, "master", "lan", "up")
		l.in(box, "ip", "addr", "add", fmt.Sprintf("100.64.0.%d/24", 10+i), "dev", "wan")
		l.in(box, "ip", "link", "set", "wan", "up")
		l.in(box, "ip", "route", "add", "default", "via", "100.64.0.1")
		l.wire(home, "eth0", fmt.Sprintf("192.168.%d.2/24", 10+i), box, "lan", fmt.Sprintf("192.168.%d.1/24", 10+i))
		l.in(home, "ip", "route", "add", "default", "via", fmt.Sprintf("192.168.%d.1", 10+i))
		l.forwards(box)
		l.rulesOf(box, router)
	}
	return l
}

// forget empties a router's table of connections, as a reboot does.
func (l *lab) forget(router string) {
	l.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread stays in the namespace and ends with the goroutine
		done <- flushConntrack("/run/netns/" + l.name + router)
	}()
	if err := <-done; err != nil {
		l.t.Fatal("flush conntrack: ", err)
	}
}

// flushConntrack deletes all entries: a request of ctnetlink without a tuple, as `conntrack -F` sends it.
func flushConntrack(namespace string) error {
	ns, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return err
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	const deleteConntrack = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE
	request := []byte{
		20, 0, 0, 0, deleteConntrack & 0xff, deleteConntrack >> 8, unix.NLM_F_REQUEST | unix.NLM_F_ACK, 0,
		1, 0, 0, 0, 0, 0, 0, 0, // sequence, port
		0, unix.NFNETLINK_V0, 0, 0, // any family
	}
	if err := unix.Sendto(s, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var answer [256]byte
	n, _, err := unix.Recvfrom(s, answer[:], 0)
	if err != nil {
		return err
	}
	if n < 20 {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	if code := int32(uint32(answer[16]) | uint32(answer[17])<<8 | uint32(answer[18])<<16 | uint32(answer[19])<<24); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
