// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"p2plive/libnet/simnet"
)

// world is a STUN server with two ports at one address or two, in a simulated network.
type world struct {
	t      *testing.T
	net    *simnet.Network
	server netip.AddrPort
}

const worldDelay = 10 * ms // of each line

func newWorld(t *testing.T, addresses int) *world { return newClosedWorld(t, addresses, nil) }

// newClosedWorld has a server some of whose ports, by address and port, are closed.
func newClosedWorld(t *testing.T, addresses int, closed [][2]int) *world {
	t.Helper()
	w := &world{t: t, net: newTestNetwork(t)}
	var sockets Sockets
	for a, addr := range []string{"198.51.100.1", "198.51.100.2"}[:addresses] {
		host, err := w.net.Host(netip.MustParseAddr(addr), simnet.Link{Delay: worldDelay}, simnet.Link{Delay: worldDelay})
		check(t, err)
		for p, port := range []uint16{3478, 3479} {
			sockets[a][p], err = host.ListenPacket(port)
			check(t, err)
			if slices.Contains(closed, [2]int{a, p}) {
				sockets[a][p] = shut{sockets[a][p]}
			}
		}
	}
	w.server = addrPort(sockets[0][0])
	serveSockets(t, newTestServer(t, ServerOptions{}), sockets)
	return w
}

// serveSockets runs s until the test ends.
func serveSockets(t testing.TB, s *Server, sockets Sockets) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.ServeSockets(ctx, sockets) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ServeSockets ended with %v", err)
		}
		for _, row := range sockets {
			for _, pc := range row {
				if pc != nil {
					check(t, pc.Close())
				}
			}
		}
	})
}

// behind is a host behind a NAT.
func (w *world) behind(conf simnet.NATConfig) *simnet.Host {
	w.t.Helper()
	line := simnet.Link{Delay: worldDelay}
	nat, err := w.net.NAT(netip.MustParseAddr("203.0.113.1"), conf, line, line)
	check(w.t, err)
	h, err := nat.Host(netip.MustParseAddr("10.0.0.2"), simnet.Link{}, simnet.Link{})
	check(w.t, err)
	return h
}

// on is a discovery for a socket of h.
func (w *world) on(h *simnet.Host) DiscoverConfig {
	w.t.Helper()
	pc, err := h.ListenPacket(5000)
	check(w.t, err)
	return DiscoverConfig{
		Client: newTestClient(w.t, pc), Server: w.server, Local: LocalAddrs(addrPort(pc)),
		Open: func() (net.PacketConn, error) { return h.ListenPacket(0) },
	}
}

// TestDiscover: every NAT is told for what it is, by a server with two addresses and by one with one.
func TestDiscover(t *testing.T) {
	behaviours := map[simnet.Behaviour]Behaviour{
		simnet.EndpointIndependent: EndpointIndependent, simnet.AddressDependent: AddressDependent,
		simnet.AddressAndPortDependent: AddressAndPortDependent,
	}
	// With one address, what looks the same from all its ports may depend on the address.
	byPorts := func(b Behaviour) Behaviour {
		if b != AddressAndPortDependent {
			return NotPortDependent
		}
		return b
	}
	types := map[Behaviour]Type{
		EndpointIndependent: TypeNAT1, AddressDependent: TypeNAT2, NotPortDependent: TypeNAT2, AddressAndPortDependent: TypeNAT3,
	}
	for mapping, wantMapping := range behaviours {
		for filtering, wantFiltering := range behaviours {
			for _, ports := range []struct {
				conf  simnet.Allocation
				step  int
				want  Allocation
				first uint16
			}{
				{simnet.Preserving, 0, Preserving, 0}, {simnet.Random, 0, Random, 0}, {simnet.Random, 0, Random, 60000},
				{simnet.Sequential, 1, Sequential, 0}, {simnet.Sequential, 2, Sequential, 0}, {simnet.Sequential, -1, Sequential, 0},
			} {
				for _, hairpin := range []simnet.Hairpin{simnet.NoHairpin, simnet.HairpinExternalSource, simnet.HairpinInternalSource} {
					for _, addresses := range []int{1, 2} {
						name := fmt.Sprintf("%v/%v/%v %d/hairpin %d/%d", mapping, filtering, ports.conf, ports.step, hairpin, addresses)
						t.Run(name, func(t *testing.T) {
							want := Result{
								Mapping: wantMapping, Filtering: wantFiltering, Type: types[wantFiltering],
								PortPreserving: yesOrNo(ports.want == Preserving), Allocation: ports.want, Step: ports.step,
								// Otherwise sending to the other opens a mapping of its own, not the one that the other sends to.
								Hairpin: yesOrNo(hairpin != simnet.NoHairpin &&
									(mapping == simnet.EndpointIndependent || filtering == simnet.EndpointIndependent)),
							}
							if wantMapping != EndpointIndependent {
								want.Type = TypeNAT4
							}
							if addresses == 1 {
								if wantMapping == AddressDependent {
									want.Type = types[byPorts(wantFiltering)]
								}
								want.Mapping, want.Filtering = byPorts(wantMapping), byPorts(wantFiltering)
								if want.Type == TypeNAT1 {
									want.Type = TypeNAT2
								}
							}
							synctest.Test(t, func(t *testing.T) {
								w := newWorld(t, addresses)
								h := w.behind(simnet.NATConfig{
									Mapping: mapping, Filtering: filtering, Ports: ports.conf, Step: ports.step,
									FirstPort: ports.first, Hairpin: hairpin,
								})
								cfg := w.on(h)
								for run := range 2 { // the second one on a socket that has opened its filters
									got, err := Discover(t.Context(), cfg)
									check(t, err)
									if len(got.Public) == 0 || got.Public[0].Addr() != netip.MustParseAddr("203.0.113.1") {
										t.Errorf("public addresses %v", got.Public)
									}
									if one := len(got.Public) == 1; one != (got.Mapping == EndpointIndependent || got.Mapping == NotPortDependent) {
										t.Errorf("public addresses %v", got.Public)
									}
									if got.RTT != 4*worldDelay {
										t.Errorf("round trip %v", got.RTT)
									}
									got.Public, got.RTT = nil, 0
									if fmt.Sprint(got) != fmt.Sprint(want) {
										t.Errorf("run %d:\n got %+v,\nwant %+v", run, got, want)
									}
								}
							})
						})
					}
				}
			}
		}
	}
}

// TestDiscoverMasquerade: what a test of filtering does to a Linux router is not taken for its mapping.
func TestDiscoverMasquerade(t *testing.T) {
	for _, keepUnasked := range []bool{false, true} {
		for _, addresses := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, addresses)
				cfg := w.on(w.behind(simnet.Masquerade(keepUnasked)))
				for range 2 {
					got, err := Discover(t.Context(), cfg)
					check(t, err)
					if got.Type != TypeNAT3 || got.Allocation != Preserving || len(got.Public) != 1 {
						t.Errorf("keeps what comes unasked: %v, %d addresses: %+v", keepUnasked, addresses, got)
					}
				}
			})
		}
	}
}

func TestDiscoverWithoutNAT(t *testing.T) {
	tests := []struct {
		name      string
		conf      simnet.NATConfig
		addresses int
		want      Result
	}{
		{"firewall", simnet.Firewall(), 2, Result{Type: TypeFirewall, Mapping: EndpointIndependent, Filtering: AddressAndPortDependent}},
		{"firewall, one address", simnet.Firewall(), 1, Result{Type: TypeFirewall, Mapping: NotPortDependent, Filtering: AddressAndPortDependent}},
		{"loose firewall", simnet.NATConfig{Firewall: true, Filtering: simnet.AddressDependent}, 2,
			Result{Type: TypeFirewall, Mapping: EndpointIndependent, Filtering: AddressDependent}},
		{"open", simnet.NATConfig{Firewall: true}, 2, Result{Type: TypeOpen, Mapping: EndpointIndependent, Filtering: EndpointIndependent}},
		{"open, one address", simnet.NATConfig{Firewall: true}, 1, Result{Type: TypeOpen, Mapping: NotPortDependent, Filtering: NotPortDependent}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.addresses)
				cfg := w.on(w.behind(tt.conf))
				got, err := Discover(t.Context(), cfg)
				check(t, err)
				tt.want.Allocation, tt.want.PortPreserving = AllocationUnknown, Yes
				tt.want.Public, tt.want.RTT = cfg.Local, got.RTT
				if fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("got %+v,\nwant %+v", got, tt.want)
				}
			})
		})
	}
}

// TestDiscoverBlocked: two seconds suffice to know that UDP does not get through.
func TestDiscoverBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		cfg := w.on(w.behind(simnet.NATConfig{BlockUDP: true}))
		start := time.Now()
		got, err := Discover(t.Context(), cfg)
		check(t, err)
		if got.Type != TypeBlocked || time.Since(start) != 2*time.Second {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Discover(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
	})
}

// TestDiscoverTakesLittleTime: the longest discovery, where every test waits in vain.
func TestDiscoverTakesLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		cfg := w.on(w.behind(simnet.NAT4(simnet.Random, 0)))
		start := time.Now()
		_, err := Discover(t.Context(), cfg)
		check(t, err)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		if sent := cfg.Client.Stats().Sent; sent > 40 {
			t.Errorf("sent %d requests from the socket", sent)
		}
	})
}

// TestDiscoverThroughLoss: lost datagrams do not look like filters.
func TestDiscoverThroughLoss(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 2)
			line := simnet.Link{Delay: worldDelay, Loss: 0.03}
			nat, err := w.net.NAT(netip.MustParseAddr("203.0.113.1"), simnet.NAT1(), line, line)
			check(t, err)
			h, err := nat.Host(netip.AddrFrom4([4]byte{10, 0, 0, byte(seed + 2)}), simnet.Link{}, simnet.Link{})
			check(t, err)
			got, err := Discover(t.Context(), w.on(h))
			check(t, err)
			if got.Type != TypeNAT1 || got.Allocation != Preserving {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestDiscoverPlainServer: a server without the tests of RFC 5780 tells the public address only.
func TestDiscoverPlainServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNetwork(t)
		server := socket(t, n, "198.51.100.1", simnet.Link{Delay: worldDelay}, 3478)
		serve(t, newTestServer(t, ServerOptions{}), server)
		w := &world{t: t, net: n, server: addrPort(server)}
		got, err := Discover(t.Context(), w.on(w.behind(simnet.NAT3())))
		check(t, err)
		if got.Type != TypeUnknown || got.Mapping != BehaviourUnknown || got.Filtering != BehaviourUnknown ||
			len(got.Public) != 1 || got.PortPreserving != Yes || got.Hairpin != No {
			t.Errorf("%+v", got)
		}
	})
}

// shut is a socket whose port the operator's firewall closes.
type shut struct{ net.PacketConn }

func (shut) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }

func (s shut) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		if _, _, err := s.PacketConn.ReadFrom(b); err != nil {
			return 0, nil, err
		}
	}
}

// TestDiscoverClosedPorts: where an operator has not opened all ports, no strict filter is invented.
func TestDiscoverClosedPorts(t *testing.T) {
	for _, tt := range []struct {
		name      string
		addresses int
		closed    [][2]int
		want      Result
	}{
		{"second port", 1, [][2]int{{0, 1}}, Result{Type: TypeUnknown, Mapping: BehaviourUnknown, Filtering: BehaviourUnknown}},
		{"second address", 2, [][2]int{{1, 0}, {1, 1}}, Result{Type: TypeNAT2, Mapping: NotPortDependent, Filtering: NotPortDependent}},
		{"second port of the second address", 2, [][2]int{{1, 1}}, Result{Type: TypeNAT2, Mapping: EndpointIndependent, Filtering: NotPortDependent}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newClosedWorld(t, tt.addresses, tt.closed)
				cfg := w.on(w.behind(simnet.NAT2()))
				cfg.Open = nil
				got, err := Discover(t.Context(), cfg)
				check(t, err)
				if got.Type != tt.want.Type || got.Mapping != tt.want.Mapping || got.Filtering != tt.want.Filtering || len(got.Public) != 1 {
					t.Errorf("got %+v,\nwant %+v", got, tt.want)
				}
			})
		})
	}
}

// TestDiscoverLoopback: real sockets, those of the server on all interfaces.
func TestDiscoverLoopback(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(bind, func(t *testing.T) {
			var sockets Sockets
			for p := range 2 {
				var err error
				sockets[0][p], err = net.ListenPacket("udp", bind)
				check(t, err)
			}
			serveSockets(t, newTestServer(t, ServerOptions{}), sockets)
			pc, err := net.ListenPacket("udp", ":0")
			check(t, err)
			got, err := Discover(t.Context(), DiscoverConfig{
				Client: newTestClient(t, pc), Local: LocalAddrs(addrPort(pc)),
				Server: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addrPort(sockets[0][0]).Port()),
			})
			check(t, err)
			if got.Type != TypeOpen {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ports []int
		want  Allocation
		step  int
	}{
		{"none", nil, AllocationUnknown, 0},
		{"too few", []int{1000, 1001, 1002}, AllocationUnknown, 0},
		{"by one", []int{1000, 1001, 1002, 1003}, Sequential, 1},
		{"by two, with others", []int{1000, 1002, 1008, 1010, 1014, 1016}, Sequential, 2},
		{"down", []int{1005, 1004, 1003, 1002}, Sequential, -1},
		{"wrapping", []int{65534, 65535, 1024, 1025, 1026}, Sequential, 1},
		{"random", []int{50000, 2000, 31000, 7000, 60001, 12}, Random, 0},
		{"random in a small block", []int{1010, 1900, 1100, 1150, 1500, 1020, 1700, 1650}, Random, 0},
	} {
		if got, step := pattern(tt.ports); got != tt.want || step != tt.step {
			t.Errorf("%s: %v by %d, want %v by %d", tt.name, got, step, tt.want, tt.step)
		}
	}
}
