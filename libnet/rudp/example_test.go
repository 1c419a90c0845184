// SPDX-License-Identifier: GPL-3.0-or-later

package rudp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"time"

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
		log.Fatal(err)
	}
	if err := conn.Channel(1).Send(ctx, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	m, err := conn.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("channel %d: %s\n", m.Channel, m.Data)
	conn.Close("done")
	<-served
	// Output: channel 1: hello
}

// A file over a channel, as a stream of bytes.
func ExampleChannel_NetConn() {
	ctx := context.Background()
	here, there := listen(), listen()
	defer here.Close()
	defer there.Close()
	file := bytes.Repeat([]byte("any file "), 100_000)

	received := make(chan string)
	go func() {
		defer close(received)
		conn, err := there.Accept(ctx)
		if err != nil {
			return
		}
		stream := conn.Channel(1).NetConn()
		defer stream.Close()
		hash := sha256.New()
		n, err := io.Copy(hash, stream) // to the end, which Close tells
		received <- fmt.Sprintf("%d bytes, same content: %v, error: %v", n, [32]byte(hash.Sum(nil)) == sha256.Sum256(file), err)
	}()

	conn, err := here.Dial(ctx, there.LocalAddr(), there.ID())
	if err != nil {
		log.Fatal(err)
	}
	stream := conn.Channel(1).NetConn()
	if _, err := io.Copy(stream, bytes.NewReader(file)); err != nil {
		log.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-received)
	// Output: 900000 bytes, same content: true, error: <nil>
}

// Live pictures beside a download: the pictures go first, and are not sent at all when they are late.
func ExampleChannel_SendMessage() {
	ctx := context.Background()
	source, viewer := listen(), listen()
	defer source.Close()
	defer viewer.Close()
	const pictures, download = 1, 2

	conn, err := source.Dial(ctx, viewer.LocalAddr(), viewer.ID())
	if err != nil {
		log.Fatal(err)
	}
	conn.Channel(pictures).SetPriority(rudp.Rescue)
	conn.Channel(download).SetPriority(rudp.Background)
	if err := conn.Channel(download).Send(ctx, make([]byte, rudp.MaxMessage)); err != nil {
		log.Fatal(err)
	}
	// The second picture is too late already: it is left out, and the viewer hears of it with the third.
	for i, late := range []bool{false, true, false} {
		o := rudp.SendOptions{Deadline: time.Now().Add(time.Minute)}
		if late {
			o.Deadline = time.Now()
		}
		if err := conn.Channel(pictures).SendMessage(ctx, fmt.Appendf(nil, "picture %d", i+1), o); err != nil {
			log.Fatal(err)
		}
	}

	peer, err := viewer.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		m := recvOf(ctx, peer, pictures)
		fmt.Printf("%s, %d missing before it\n", m.Data, m.Skipped)
	}
	// Output:
	// picture 1, 0 missing before it
	// picture 3, 1 missing before it
}

// recvOf gives the next message of one channel and passes over those of others.
func recvOf(ctx context.Context, conn *rudp.Conn, id rudp.ChannelID) rudp.Message {
	for {
		m, err := conn.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if m.Channel == id {
			return m
		}
	}
}

func listen() *rudp.Endpoint {
	id, err := rudp.NewIdentity()
	if err != nil {
		log.Fatal(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	endpoint, err := rudp.Listen(socket, rudp.Config{Identity: id})
	if err != nil {
		log.Fatal(err)
	}
	return endpoint
}
