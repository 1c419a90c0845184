// SPDX-License-Identifier: GPL-3.0-or-later

package netns

import (
	"encoding/json"
	"strings"
	"testing"

	"p2plive/test/e2e/proc"
)

// What routers do, in nftables' language.
const (
	routing = ``

	masquerade = `
table ip nat {
	chain post {
		type nat hook postrouting priority srcnat
		oifname wan masquerade
	}
}`

	fullyRandom = `
table ip nat {
	chain post {
		type nat hook postrouting priority srcnat
		oifname wan masquerade fully-random
	}
}`

	// exposed forwards everything to the home, as a router's "DMZ host" does: a full cone.
	exposed = masquerade + `
table ip forward {
	chain pre {
		type nat hook prerouting priority dstnat
		iifname wan meta l4proto udp dnat to 192.168.7.2
	}
}`

	firewall = `
table ip filter {
	chain forward {
		type filter hook forward priority filter
		iifname wan ct state new,invalid drop
	}
}`

	noUDP = masquerade + `
table ip filter {
	chain forward {
		type filter hook forward priority filter
		meta l4proto udp drop
	}
}`
)

const (
	independent = "endpoint-independent"
	byPort      = "address-and-port-dependent"
	notByPort   = "endpoint-independent or address-dependent"
	unknown     = "unknown"
)

// verdict is what `p2plive nat --json` prints, by the names that scripts rely on.
type verdict struct {
	Type           string `json:"type"`
	Mapping        string `json:"mapping"`
	Filtering      string `json:"filtering"`
	Public         string `json:"public"`
	PortPreserving *bool  `json:"port_preserving"`
	Hairpin        *bool  `json:"hairpin"`
	Allocation     string `json:"allocation"`
	Explanation    string `json:"explanation"`
}

// verdict asks from the home.
func (l *lab) verdict() (v verdict) {
	l.t.Helper()
	p := l.start("home", "nat", "--tracker", "http://"+tracker1+":7000", "--json")
	if code := p.Wait(answerTime); code != 0 {
		l.t.Fatalf("p2plive nat: exit code %d", code)
	}
	lines := p.Stdout.All()
	if len(lines) != 1 {
		l.t.Fatalf("p2plive nat --json has printed %d lines", len(lines))
	}
	if err := json.Unmarshal([]byte(lines[0].Text), &v); err != nil {
		l.t.Fatal(err)
	}
	return v
}

func TestNAT(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, lan, rules              string
		addresses                     int
		kind, mapping, filtering, how string // how ports are allocated
		public                        string // what the public address begins with
	}{
		{"masquerade", private, masquerade, 2, "NAT3", independent, byPort, "preserving", wan},
		{"masquerade, one address", private, masquerade, 1, "NAT3", notByPort, byPort, "preserving", wan},
		{"masquerade, all interfaces", private, masquerade, 0, "NAT3", notByPort, byPort, "preserving", wan},
		{"fully random", private, fullyRandom, 2, "NAT4", byPort, byPort, "random", wan},
		{"fully random, one address", private, fullyRandom, 1, "NAT4", byPort, byPort, "random", wan},
		{"exposed host", private, exposed, 2, "NAT1", independent, independent, "preserving", wan},
		{"exposed host, one address", private, exposed, 1, "NAT2", notByPort, notByPort, "preserving", wan},
		{"firewall", public, firewall, 2, "firewall", independent, byPort, unknown, "203.0.113.2"},
		{"open", public, routing, 2, "open", independent, independent, unknown, "203.0.113.2"},
		{"open, one address", public, routing, 1, "open", notByPort, notByPort, unknown, "203.0.113.2"},
		{"no UDP", private, noUDP, 2, "blocked", unknown, unknown, unknown, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.lan, tt.rules)
			l.tracker(tt.addresses)
			got := l.verdict()
			if got.Type != tt.kind || got.Mapping != tt.mapping || got.Filtering != tt.filtering || got.Allocation != tt.how {
				t.Errorf("verdict %+v", got)
			}
			if !strings.HasPrefix(got.Public, tt.public) || tt.public == "" && got.Public != "" {
				t.Errorf("public address %s", got.Public)
			}
			if got.Hairpin != nil && *got.Hairpin {
				t.Error("a hairpin, from a router that does none")
			}
		})
	}
}

// TestAllInterfaces: a tracker on all interfaces answers from the address that was asked, and names it.
func TestAllInterfaces(t *testing.T) {
	t.Parallel()
	l := newLab(t, public, routing)
	l.tracker(0)
	for _, addr := range []string{tracker1, tracker2} {
		out := l.in("home", "turnutils_natdiscovery", "-f", addr)
		for _, want := range []string{"Response origin: : " + addr + ":3478", "Other addr: : " + addr + ":3479"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
}

// stunclient runs Debian's STUN client, which tells the public address. It then waits for an
// answer from another address, for ever where that is filtered: it is ended when it has told.
func (l *lab) stunclient() {
	l.t.Helper()
	p := proc.Start(l.t, proc.Spec{
		Name: "stunclient", Path: "ip", Foreign: true,
		Args: []string{"netns", "exec", l.name + "home", "stdbuf", "-oL", "turnutils_stunclient", tracker1},
	})
	want := "UDP reflexive addr: " + wan + ":"
	if l.lan == public {
		want = "UDP reflexive addr: " + public + "2:"
	}
	if _, ok := p.Stdout.Await(answerTime, func(line proc.Line) bool { return strings.Contains(line.Text, want) }); !ok {
		l.t.Errorf("turnutils_stunclient has not printed %q", want)
	}
}

// TestOtherClients: Debian's STUN tools understand the tracker, and agree with p2plive.
func TestOtherClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, lan, rules string
		mapping, filter  string // in the tool's words
	}{
		{"masquerade", private, masquerade, "NAT with Endpoint Independent Mapping", "NAT with Address and Port Dependent Filtering"},
		{"fully random", private, fullyRandom, "NAT with Address and Port Dependent Mapping", "NAT with Address and Port Dependent Filtering"},
		{"exposed host", private, exposed, "NAT with Endpoint Independent Mapping", "NAT with Endpoint Independent Filtering"},
		{"open", public, routing, "No NAT", "NAT with Endpoint Independent Filtering"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.lan, tt.rules)
			l.tracker(2)
			mapping := l.in("home", "turnutils_natdiscovery", "-m", "-L", tt.lan+"2", tracker1)
			filter := l.in("home", "turnutils_natdiscovery", "-f", "-L", tt.lan+"2", tracker1)
			if !strings.Contains(mapping, tt.mapping) {
				t.Errorf("no %q in\n%s", tt.mapping, mapping)
			}
			if !strings.Contains(filter, tt.filter) {
				t.Errorf("no %q in\n%s", tt.filter, filter)
			}
			l.stunclient()
		})
	}
}
