// SPDX-License-Identifier: GPL-3.0-or-later

package simnet_test

import (
	"fmt"
	"net/netip"
	"time"

	"p2plive/libnet/simnet"
)

// Two homes with 5 Mbit/s up, 50 Mbit/s down and 1% loss, on two continents. In a test, put
// this into testing/synctest's Test, and no real time passes.
func ExampleNetwork() {
	n := simnet.New(1)
	defer n.Close()

	up := simnet.Link{Delay: 10 * time.Millisecond, Rate: 5e6, Loss: 0.01}
	down := simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6}
	rome, err := n.Host(netip.MustParseAddr("192.0.2.1"), up, down)
	if err != nil {
		fmt.Println(err)
		return
	}
	lima, err := n.Host(netip.MustParseAddr("198.51.100.1"), up, down)
	if err != nil {
		fmt.Println(err)
		return
	}
	n.SetPath(rome.Addr(), lima.Addr(), simnet.Link{Delay: 80 * time.Millisecond})

	a, err := rome.ListenPacket(5000)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := lima.ListenPacket(5000)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := a.WriteTo([]byte("ciao"), b.LocalAddr()); err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, 1500)
	size, from, err := b.ReadFrom(buf)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s from %v\n", buf[:size], from)
	// Output: ciao from 192.0.2.1:5000
}

// A home behind a port-restricted NAT: only who has been sent something can send in.
func ExampleNetwork_NAT() {
	n := simnet.New(1)
	defer n.Close()

	line := simnet.Link{Delay: 10 * time.Millisecond}
	router, err := n.NAT(netip.MustParseAddr("203.0.113.1"), simnet.NAT3(), line, line)
	if err != nil {
		fmt.Println(err)
		return
	}
	laptop, err := router.Host(netip.MustParseAddr("192.168.1.2"), simnet.Link{}, simnet.Link{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := n.Host(netip.MustParseAddr("198.51.100.1"), line, line)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := laptop.ListenPacket(5000)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := server.ListenPacket(3478)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := a.WriteTo([]byte("who am I?"), b.LocalAddr()); err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, 1500)
	_, from, err := b.ReadFrom(buf)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(from)
	// Output: 203.0.113.1:5000
}
