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
