// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// share of the offload tests: what one channel carries.
const (
	shareMessages = 60
	shareSize     = 24 << 10 // at most; half of it on average
)

// shareOf is the size of message i of channel ch: all sizes come, of many segments and of one.
func shareOf(ch ChannelID, i int) int {
	r := rand.New(rand.NewPCG(uint64(ch), uint64(i)))
	return 8 + r.IntN(shareSize-8)
}

// sendShare sends a channel's messages and gives the checksum of all of them.
func sendShare(ctx context.Context, ch *Channel) (sum []byte, err error) {
	all := sha256.New()
	for i := range shareMessages {
		msg := numbered(i, shareOf(ch.ID(), i))
		all.Write(msg)
		if err := ch.Send(ctx, msg); err != nil {
			return nil, fmt.Errorf("send %d on channel %d: %w", i, ch.ID(), err)
		}
	}
	return all.Sum(nil), nil
}

// recvShare receives them, checks their order and content, and gives the checksum of what came.
func recvShare(ctx context.Context, ch *Channel) (sum []byte, err error) {
	all := sha256.New()
	for i := range shareMessages {
		msg, err := ch.Recv(ctx)
		if err != nil {
			return nil, fmt.Errorf("receive %d on channel %d: %w", i, ch.ID(), err)
		}
		if err := checkNumbered(msg, i, shareOf(ch.ID(), i)); err != nil {
			return nil, err
		}
		all.Write(msg)
	}
	return all.Sum(nil), nil
}

// Sessions over real sockets carry the same with the kernel's offloads and without, over IPv4 and IPv6, and also
// when only one side has them: whole and in order.
func TestOffloadsOnAndOff(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, off := range [][2]bool{{false, false}, {true, true}, {false, true}, {true, false}} {
			t.Run(fmt.Sprintf("%s/off=%v,%v", host, off[0], off[1]), func(t *testing.T) {
				var ends [2]*Endpoint
				for i := range ends {
					pc, err := net.ListenPacket("udp", host)
					if err != nil {
						t.Fatal(err)
					}
					ends[i] = start(t, pc, func(c *Config) { c.NoOffload, c.IdleTimeout = off[i], time.Minute })
					defer ends[i].Close()
				}
				exchangeShares(t, ends[0], ends[1])
				for i, e := range ends {
					s := e.main.sock.Stats()
					switch {
					case off[i] && (s.GSO || s.GRO || s.MergedIn != 0 || s.MergedOut != 0):
						t.Errorf("side %d merges although it was told not to: %+v", i, s)
					case !off[i] && s.GSO && s.MergedOut == 0, !off[i] && !off[1-i] && s.GRO && s.MergedIn == 0:
						t.Errorf("side %d never merged: %+v", i, s)
					}
				}
			})
		}
	}
}

// exchangeShares runs three sessions with two channels each, both ways at the same time.
func exchangeShares(t *testing.T, a, b *Endpoint) {
	const sessions, channels = 3, 2
	ctx := ctxFor(t, 2*time.Minute)
	results := make(chan error, 2*sessions*channels)
	exchange := func(from, to *Channel) {
		sent := make(chan []byte, 1)
		go func() {
			sum, err := sendShare(ctx, from)
			if err != nil {
				t.Error(err)
			}
			sent <- sum
		}()
		sum, err := recvShare(ctx, to)
		if want := <-sent; err == nil && !bytes.Equal(sum, want) {
			err = fmt.Errorf("channel %d: the checksums differ", to.ID())
		}
		results <- err
	}
	for range sessions {
		ca, cb := connect(t, a, b)
		for ch := range ChannelID(channels) {
			go exchange(ca.Channel(ch), cb.Channel(ch))
			go exchange(cb.Channel(ch), ca.Channel(ch))
		}
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
