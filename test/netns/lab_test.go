// SPDX-License-Identifier: GPL-3.0-or-later

package netns

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"p2plive/test/e2e/proc"
)

// bin is the program under test.
var bin proc.Binaries

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if public := os.Getenv(routerEnv); public != "" {
		fmt.Fprintln(os.Stderr, "netns:", serveNATPMP(public))
		return 1
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "netns: network namespaces need root: run `sudo make test`, or leave this package out")
		return 1
	}
	for _, tool := range []string{"ip", "nft", "turnutils_natdiscovery", "turnutils_stunclient"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "netns: %s is not installed; `make test` installs it\n", tool)
			return 1
		}
	}
	var err error
	if bin, err = proc.Build(); err != nil {
		fmt.Fprintln(os.Stderr, "netns:", err)
		return 1
	}
	defer bin.Remove()
	return m.Run()
}

const (
	wan        = "198.51.100.10" // the router's public address
	tracker1   = "198.51.100.1"
	tracker2   = "198.51.100.2"
	startTime  = 10 * time.Second
	answerTime = 30 * time.Second // of a tool; the tests run on loaded machines
)

// lab is a home, its router and the internet, each a namespace.
type lab struct {
	t    *testing.T
	name string // what the names of the namespaces begin with
	lan  string // the network of the home, "192.168.7." or "203.0.113."
}

var (
	labs atomic.Int32
	pid  = os.Getpid()
)

// newLab builds the namespaces; rules are of the router, in nftables' language.
// They may name the interfaces lan and wan.
func newLab(t *testing.T, lan, rules string) *lab {
	t.Helper()
	l := &lab{t: t, name: fmt.Sprintf("p2plive-%d-%d-", pid, labs.Add(1)), lan: lan}
	for _, ns := range []string{"home", "router", "internet"} {
		l.run("ip", "netns", "add", l.name+ns)
		t.Cleanup(func() { l.run("ip", "netns", "del", l.name+ns) })
		l.in(ns, "ip", "link", "set", "lo", "up")
	}
	l.wire("home", "eth0", lan+"2/24", "router", "lan", lan+"1/24")
	l.wire("router", "wan", wan+"/24", "internet", "eth0", tracker1+"/24")
	l.in("internet", "ip", "addr", "add", tracker2+"/24", "dev", "eth0")
	l.in("home", "ip", "route", "add", "default", "via", lan+"1")
	if lan != private {
		l.in("internet", "ip", "route", "add", lan+"0/24", "via", wan)
	}
	l.in("router", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
	l.rules(rules)
	return l
}

const (
	private = "192.168.7."
	public  = "203.0.113."
)

// wire joins two namespaces.
func (l *lab) wire(a, aDev, aAddr, b, bDev, bAddr string) {
	l.t.Helper()
	l.run("ip", "link", "add", aDev, "netns", l.name+a, "type", "veth", "peer", "name", bDev, "netns", l.name+b)
	for _, end := range [][3]string{{a, aDev, aAddr}, {b, bDev, bAddr}} {
		l.in(end[0], "ip", "addr", "add", end[2], "dev", end[1])
		l.in(end[0], "ip", "link", "set", end[1], "up")
	}
}

// rules replaces what the router does.
func (l *lab) rules(rules string) {
	l.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", l.name+"router", "nft", "-f", "-")
	cmd.Stdin = strings.NewReader("flush ruleset\n" + rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("nft: %v\n%s\n%s", err, out, rules)
	}
}

// in runs a command in a namespace and returns what it prints.
func (l *lab) in(ns string, args ...string) string {
	l.t.Helper()
	return l.run("ip", append([]string{"netns", "exec", l.name + ns}, args...)...)
}

func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		l.t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start starts the program in a namespace.
func (l *lab) start(ns string, args ...string) *proc.Process {
	l.t.Helper()
	return proc.Start(l.t, proc.Spec{
		Name: ns + " " + args[0], Path: "ip",
		Args: append([]string{"netns", "exec", l.name + ns, bin.Checked}, args...),
	})
}

// tracker runs one on the internet until the test ends, with one address or two, or on all
// interfaces (0).
func (l *lab) tracker(addresses int) {
	l.t.Helper()
	args := []string{"tracker", "--listen", tracker1 + ":7000", "--udp", tracker1 + ":3478"}
	switch addresses {
	case 0:
		args[len(args)-1] = ":3478"
	case 2:
		args = append(args, "--udp-alt", tracker2)
	}
	l.start("internet", args...).WaitLine(startTime, "tracker is up")
}
