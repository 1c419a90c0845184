// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

var (
	addrNAT = netip.MustParseAddr("203.0.113.1")
	addrIn  = netip.MustParseAddr("10.0.0.2")
	addrIn2 = netip.MustParseAddr("10.0.0.3")
)

const natDelay = 5 * ms // of each of the four lines between an inside and an outside host

// home is a NAT with a socket inside, and outside two hosts with two sockets each.
type home struct {
	t       *testing.T
	net     *Network
	nat     *NAT
	in      *Conn
	outside [2][2]*Conn // by address and port
}

func newHome(t *testing.T, conf NATConfig) *home {
	t.Helper()
	n := newNetwork(t, 1)
	h := &home{t: t, net: n}
	var err error
	line := Link{Delay: natDelay}
	h.nat, err = n.NAT(addrNAT, conf, line, line)
	check(t, err)
	h.in = h.socket(addrIn, 5000)
	for i, a := range []netip.Addr{addrA, addrB} {
		host := newTestHost(t, n, a, line, line)
		for j, port := range []uint16{1000, 2000} {
			h.outside[i][j] = listen(t, host, port)
		}
	}
	t.Cleanup(func() { balance(t, n) })
	return h
}

// socket is one of a new host inside.
func (h *home) socket(addr netip.Addr, port uint16) *Conn {
	h.t.Helper()
	host, err := h.nat.Host(addr, Link{Delay: natDelay}, Link{Delay: natDelay})
	check(h.t, err)
	return listen(h.t, host, port)
}

// pass sends a datagram and returns the source that the receiver sees; false: nothing arrived.
func (h *home) pass(from *Conn, to netip.AddrPort, at *Conn) (netip.AddrPort, bool) {
	h.t.Helper()
	_, err := from.WriteToUDPAddrPort([]byte("x"), to)
	check(h.t, err)
	check(h.t, at.SetReadDeadline(time.Now().Add(time.Second)))
	_, source, err := at.ReadFromUDPAddrPort(make([]byte, 10))
	return source, err == nil
}

// out sends from inside and returns the source that is seen outside.
func (h *home) out(from, to *Conn) netip.AddrPort {
	h.t.Helper()
	source, ok := h.pass(from, to.local, to)
	if !ok {
		h.t.Fatalf("nothing of %v arrived at %v", from.local, to.local)
	}
	return source
}

// TestNATBehaviour: each combination of mapping and filtering.
func TestNATBehaviour(t *testing.T) {
	all := []Behaviour{EndpointIndependent, AddressDependent, AddressAndPortDependent}
	for _, mapping := range all {
		for _, filtering := range all {
			t.Run(fmt.Sprintf("mapping %v, filtering %v", mapping, filtering), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHome(t, NATConfig{Mapping: mapping, Filtering: filtering, Ports: Random})
					first := h.out(h.in, h.outside[0][0])
					// Before anything else is sent out: who may come in by the first mapping.
					for _, tt := range []struct {
						name string
						from *Conn
						want bool
					}{
						{"the one sent to", h.outside[0][0], true},
						{"another port", h.outside[0][1], filtering != AddressAndPortDependent},
						{"another address", h.outside[1][0], filtering == EndpointIndependent},
					} {
						if source, ok := h.pass(tt.from, first, h.in); ok != tt.want || ok && source != tt.from.local {
							t.Errorf("from %s: %v, %v, want %v", tt.name, source, ok, tt.want)
						}
					}
					if first.Addr() != addrNAT || h.out(h.in, h.outside[0][0]) != first {
						t.Errorf("external address %v, then another", first)
					}
					port, addr := h.out(h.in, h.outside[0][1]), h.out(h.in, h.outside[1][0])
					if same := port == first; same != (mapping != AddressAndPortDependent) {
						t.Errorf("to another port: %v after %v", port, first)
					}
					if same := addr == first; same != (mapping == EndpointIndependent) {
						t.Errorf("to another address: %v after %v", addr, first)
					}
				})
			})
		}
	}
}

// TestNATDelay: a NAT's lines add to those of the hosts, and it takes no time itself.
func TestNATDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t, NAT3())
		start := time.Now()
		external := h.out(h.in, h.outside[0][0])
		if took := time.Since(start); took != 3*natDelay {
			t.Errorf("out in %v", took)
		}
		start = time.Now()
		h.pass(h.outside[0][0], external, h.in)
		if took := time.Since(start); took != 3*natDelay {
			t.Errorf("in in %v", took)
		}
		other := h.socket(addrIn2, 5000)
		start = time.Now()
		if source, ok := h.pass(h.in, other.local, other); !ok || source != h.in.local || time.Since(start) != 2*natDelay {
			t.Errorf("in the LAN from %v in %v", source, time.Since(start))
		}
	})
}

// TestNATTimeout: an entry ends exactly its timeout after what refreshes it.
func TestNATTimeout(t *testing.T) {
	const timeout = 30 * time.Second
	toNAT := 2 * natDelay // from either side
	for _, tt := range []struct {
		name    string
		inbound bool
		refresh func(h *home, external netip.AddrPort)
		after   time.Duration // since the refresh
		alive   bool
	}{
		{"just before", false, nil, timeout - 1, true},
		{"just after", false, nil, timeout, false},
		{"outbound refreshes", false, func(h *home, _ netip.AddrPort) { h.out(h.in, h.outside[0][0]) }, timeout - 1, true},
		{"outbound to another does not", false, func(h *home, _ netip.AddrPort) { h.out(h.in, h.outside[1][0]) }, timeout - 1, false},
		{"inbound does not", false, func(h *home, e netip.AddrPort) { h.pass(h.outside[0][0], e, h.in) }, timeout - 1, false},
		{"inbound does where it may", true, func(h *home, e netip.AddrPort) { h.pass(h.outside[0][0], e, h.in) }, timeout - 1, true},
		{"what is blocked does not", true, func(h *home, e netip.AddrPort) { h.pass(h.outside[1][0], e, h.in) }, timeout - 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conf := NAT3()
				conf.Timeout, conf.RefreshInbound = timeout, tt.inbound
				h := newHome(t, conf)
				start := time.Now()
				external := h.out(h.in, h.outside[0][0])
				if tt.refresh != nil {
					time.Sleep(10 * time.Second)
					start = time.Now()
					tt.refresh(h, external)
				}
				// What refreshes passes the NAT one line after start from inside, two from outside.
				passes := natDelay
				if tt.inbound {
					passes = toNAT
				}
				time.Sleep(time.Until(start.Add(passes + tt.after - toNAT)))
				if _, ok := h.pass(h.outside[0][0], external, h.in); ok != tt.alive {
					t.Errorf("let in: %v, want %v", ok, tt.alive)
				}
			})
		})
	}
}

// TestMasquerade: one port for all, until somebody sends in unasked.
func TestMasquerade(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		t.Run(fmt.Sprintf("keeps what comes unasked: %v", keeps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHome(t, Masquerade(keeps))
				external := netip.AddrPortFrom(addrNAT, 5000)
				for _, to := range []*Conn{h.outside[0][0], h.outside[1][0]} {
					if got := h.out(h.in, to); got != external {
						t.Errorf("external address %v", got)
					}
					if source, ok := h.pass(to, external, h.in); !ok || source != to.local {
						t.Errorf("in from %v: %v, %v", to.local, source, ok)
					}
				}
				stranger := h.outside[0][1]
				if _, ok := h.pass(stranger, external, h.in); ok {
					t.Error("a stranger was let in")
				}
				got := h.out(h.in, stranger)
				if moved := got != external; moved != keeps {
					t.Errorf("external address %v towards a former stranger", got)
				}
				if _, ok := h.pass(stranger, got, h.in); !ok {
					t.Error("what answers was not let in")
				}
				// Two hosts with the same port share it, but not towards the same remote end.
				other := h.socket(addrIn2, 5000)
				if got := h.out(other, h.outside[1][1]); got != external {
					t.Errorf("external address %v of the second host", got)
				}
				if got := h.out(other, h.outside[0][0]); got == external {
					t.Error("two hosts with one port towards one remote end")
				}
				// The port is free again when nothing has come for a while.
				time.Sleep(defaultNATTimeout)
				if got := h.out(h.in, stranger); got != external {
					t.Errorf("external address %v after a while", got)
				}
			})
		})
	}
}

func TestNATHairpin(t *testing.T) {
	for _, tt := range []struct {
		name      string
		hairpin   Hairpin
		filtering Behaviour
		opened    bool // the receiver has sent to the sender's external address before
		want      bool
	}{
		{"off", NoHairpin, EndpointIndependent, true, false},
		{"external source", HairpinExternalSource, EndpointIndependent, false, true},
		{"internal source", HairpinInternalSource, EndpointIndependent, false, true},
		{"filtered", HairpinExternalSource, AddressAndPortDependent, false, false},
		{"after sending itself", HairpinExternalSource, AddressAndPortDependent, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHome(t, NATConfig{Hairpin: tt.hairpin, Filtering: tt.filtering})
				other := h.socket(addrIn2, 6000)
				external, otherExternal := h.out(h.in, h.outside[0][0]), h.out(other, h.outside[0][0])
				if tt.opened {
					h.pass(h.in, otherExternal, other)
				}
				source, ok := h.pass(other, external, h.in)
				want := otherExternal
				if tt.hairpin == HairpinInternalSource {
					want = other.local
				}
				if ok != tt.want || ok && source != want {
					t.Errorf("arrived: %v, from %v, want %v, from %v", ok, source, tt.want, want)
				}
			})
		})
	}
}

// TestNestedNAT: a home's router inside a carrier's NAT.
func TestNestedNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		carrier := NAT1()
		carrier.Hairpin = HairpinExternalSource
		h := newHome(t, carrier)
		homes := make([]*Conn, 2)
		for i, a := range []string{"100.64.0.1", "100.64.0.2"} {
			router, err := h.nat.NAT(netip.MustParseAddr(a), NAT3(), Link{Delay: natDelay}, Link{Delay: natDelay})
			check(t, err)
			host, err := router.Host(addrIn, Link{}, Link{}) // the same address in both homes
			check(t, err)
			homes[i] = listen(t, host, 7000)
		}
		first, second := h.out(homes[0], h.outside[0][0]), h.out(homes[1], h.outside[0][0])
		if first.Addr() != addrNAT || second.Addr() != addrNAT || first == second {
			t.Errorf("external addresses %v and %v", first, second)
		}
		if _, ok := h.pass(h.outside[1][0], first, homes[0]); ok {
			t.Error("the inner NAT does not filter")
		}
		// Both send, and the carrier hairpins: the second to send gets through.
		if _, ok := h.pass(homes[0], second, homes[1]); ok {
			t.Error("the inner NAT of the second home does not filter")
		}
		if source, ok := h.pass(homes[1], first, homes[0]); !ok || source != second {
			t.Errorf("hairpin in the carrier: %v, %v", source, ok)
		}
	})
}

// TestFirewall: addresses stay, and only answers come in, also for what is behind a NAT behind it.
func TestFirewall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t, Firewall())
		if got := h.out(h.in, h.outside[0][0]); got != h.in.local {
			t.Errorf("external address %v", got)
		}
		for _, tt := range []struct {
			from *Conn
			want bool
		}{{h.outside[0][0], true}, {h.outside[0][1], false}, {h.outside[1][0], false}} {
			if _, ok := h.pass(tt.from, h.in.local, h.in); ok != tt.want {
				t.Errorf("from %v: %v", tt.from.local, ok)
			}
		}
		if _, err := h.net.Host(addrIn, Link{}, Link{}); err == nil {
			t.Error("the address of a host behind a firewall was given twice")
		}
		router, err := h.nat.NAT(netip.MustParseAddr("203.0.113.9"), NAT1(), Link{}, Link{})
		check(t, err)
		host, err := router.Host(addrIn, Link{}, Link{})
		check(t, err)
		behind := listen(t, host, 7000)
		external := h.out(behind, h.outside[0][0])
		if external != netip.MustParseAddrPort("203.0.113.9:7000") {
			t.Errorf("external address %v of the NAT behind it", external)
		}
		if _, ok := h.pass(h.outside[1][0], external, behind); ok {
			t.Error("the firewall lets strangers in to the NAT behind it")
		}
	})
}

func TestNATBlocksUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t, NATConfig{BlockUDP: true})
		other := h.socket(addrIn2, 6000)
		if _, ok := h.pass(h.in, h.outside[0][0].local, h.outside[0][0]); ok {
			t.Error("a datagram went out")
		}
		if _, ok := h.pass(h.outside[0][0], netip.AddrPortFrom(addrNAT, 5000), h.in); ok {
			t.Error("a datagram came in")
		}
		if _, ok := h.pass(h.in, other.local, other); !ok {
			t.Error("the LAN does not work")
		}
		if got := h.net.Stats().Blocked; got != 2 {
			t.Errorf("%d blocked", got)
		}
	})
}

func TestNATChanges(t *testing.T) {
	t.Run("flush", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHome(t, NAT1())
			external := h.out(h.in, h.outside[0][0])
			h.nat.Flush()
			if _, ok := h.pass(h.outside[0][0], external, h.in); ok {
				t.Error("a mapping outlived the reboot")
			}
			h.out(h.in, h.outside[0][0])
			if _, ok := h.pass(h.outside[0][0], external, h.in); !ok {
				t.Error("no new mapping after the reboot")
			}
		})
	})
	t.Run("renumber", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHome(t, NAT1())
			old := h.out(h.in, h.outside[0][0])
			moved := netip.MustParseAddr("203.0.113.77")
			check(t, h.nat.Renumber(moved))
			if _, ok := h.pass(h.outside[0][0], old, h.in); ok {
				t.Error("the old address still leads in")
			}
			if got := h.net.Stats().Unreachable; got != 1 {
				t.Errorf("%d unreachable", got)
			}
			if got := h.out(h.in, h.outside[0][0]); got != netip.AddrPortFrom(moved, 5000) || h.nat.Addr() != moved {
				t.Errorf("external address %v", got)
			}
			for _, bad := range []netip.Addr{{}, addrA, netip.MustParseAddr("2001:db8::1")} {
				if err := h.nat.Renumber(bad); err == nil {
					t.Errorf("moved to %v", bad)
				}
			}
		})
	})
	t.Run("line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHome(t, NAT1())
			external := h.out(h.in, h.outside[0][0])
			h.nat.Down(true)
			if _, ok := h.pass(h.outside[0][0], external, h.in); ok {
				t.Error("in without a line")
			}
			if _, ok := h.pass(h.in, h.outside[0][0].local, h.outside[0][0]); ok {
				t.Error("out without a line")
			}
			if got := h.net.Stats().CutOff; got != 2 {
				t.Errorf("%d cut off", got)
			}
			h.nat.Down(false)
			h.nat.SetUp(Link{Delay: 20 * natDelay})
			h.nat.SetDown(Link{Loss: 1})
			start := time.Now()
			if h.out(h.in, h.outside[0][0]); time.Since(start) != 22*natDelay {
				t.Errorf("out in %v", time.Since(start))
			}
			if _, ok := h.pass(h.outside[0][0], external, h.in); ok {
				t.Error("in by a line that loses everything")
			}
		})
	})
}

// TestNATTableIsBounded: a full table refuses what is new, keeps what it has, and takes new
// entries when old ones have expired.
func TestNATTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conf := NAT3()
		conf.Sessions, conf.Timeout = 2, time.Minute
		h := newHome(t, conf)
		h.out(h.in, h.outside[0][0])
		external := h.out(h.in, h.outside[0][1])
		third := h.outside[1][0]
		if _, ok := h.pass(h.in, third.local, third); ok {
			t.Error("a third session")
		}
		if _, ok := h.pass(h.outside[0][1], external, h.in); !ok {
			t.Error("a session was given up")
		}
		if got := h.nat.Stats(); got != (NATStats{Mappings: 1, Sessions: 2, Refused: 1}) {
			t.Errorf("counted %+v", got)
		}
		time.Sleep(time.Minute)
		if got := h.nat.Stats(); got != (NATStats{Refused: 1}) {
			t.Errorf("counted %+v", got)
		}
		h.out(h.in, third)
	})
}

func TestNATConfig(t *testing.T) {
	n := newNetwork(t, 1)
	for name, conf := range map[string]NATConfig{
		"mapping": {Mapping: 3}, "filtering": {Filtering: 3}, "ports": {Ports: 3}, "hairpin": {Hairpin: 3},
		"step": {Step: maxNATStep + 1}, "no ports": {FirstPort: 2000, LastPort: 1999},
		"timeout": {Timeout: -1}, "long timeout": {Timeout: maxTime + 1},
		"sessions": {Sessions: -1}, "many sessions": {Sessions: maxNATSessions + 1},
		"unasked":                {KeepUnasked: true},
		"firewall that hairpins": {Firewall: true, Hairpin: HairpinExternalSource},
	} {
		if _, err := n.NAT(addrNAT, conf, Link{}, Link{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	nat, err := n.NAT(addrNAT, NAT3(), Link{}, Link{})
	check(t, err)
	if _, err := n.Host(addrNAT, Link{}, Link{}); err == nil {
		t.Error("the NAT's address was given to a host")
	}
	if _, err := nat.Host(netip.MustParseAddr("2001:db8::1"), Link{}, Link{}); err == nil {
		t.Error("a host with IPv6 inside a NAT with IPv4")
	}
	firewall, err := n.NAT(addrA, Firewall(), Link{}, Link{})
	check(t, err)
	if firewall.Renumber(addrB) == nil {
		t.Error("a firewall was renumbered")
	}
	check(t, n.Close())
	if _, err := nat.NAT(addrIn, NAT1(), Link{}, Link{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestNATIsDeterministic: the same seed gives the same ports, hosts with the same address in
// different homes have different luck.
func TestNATIsDeterministic(t *testing.T) {
	run := func(seed uint64) (ports [2]uint16, arrived [2]string) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, seed)
			server := listen(t, newTestHost(t, n, addrA, Link{}, Link{}), 1)
			for i, a := range []string{"203.0.113.1", "203.0.113.2"} {
				nat, err := n.NAT(netip.MustParseAddr(a), NAT4(Random, 0), Link{}, Link{})
				check(t, err)
				host, err := nat.Host(addrIn, Link{Loss: 0.5}, Link{})
				check(t, err)
				c := listen(t, host, 5000)
				for k := range 64 {
					write(t, c, []byte{byte('0' + k)}, server.LocalAddr())
				}
				for _, got := range drain(t, server) {
					ports[i], arrived[i] = got.from.Port(), arrived[i]+got.payload
				}
			}
		})
		return ports, arrived
	}
	ports, arrived := run(1)
	if again, arrivedAgain := run(1); again != ports || arrivedAgain != arrived {
		t.Error("two runs differ")
	}
	if ports[0] == ports[1] || arrived[0] == arrived[1] {
		t.Errorf("both homes: ports %v, arrived %q", ports, arrived)
	}
	if other, _ := run(2); other == ports {
		t.Error("another seed gives the same ports")
	}
}
