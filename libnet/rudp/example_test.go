// SPDX-License-Identifier: GPL-3.0-or-later

package rudp_test

import (
	"context"
	"fmt"
	"net"

	"p2plive/libnet/rudp"
)

// An echo server and its client.
func Example() {
	ctx := context.Background()
	server, client := listen(), listen()
	defer server.Close()
	defer client.Close()

	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := server.Accept(ctx)
		if err != nil {
			return
		}
		for {
			m, err := conn.Recv(ctx) // of any channel
			if err != nil {
				return
			}
			if err := conn.Channel(m.Channel).Send(ctx, m.Data); err != nil {
				return
			}
		}
	}()

	conn, err := client.Dial(ctx, server.LocalAddr(), server.ID())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := conn.Channel(1).Send(ctx, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	m, err := conn.Recv(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("channel %d: %s\n", m.Channel, m.Data)
	conn.Close("done")
	<-served
	// Output: channel 1: hello
}

func listen() *rudp.Endpoint {
	id, err := rudp.NewIdentity()
	if err != nil {
		panic(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	endpoint, err := rudp.Listen(socket, rudp.Config{Identity: id})
	if err != nil {
		panic(err)
	}
	return endpoint
}
