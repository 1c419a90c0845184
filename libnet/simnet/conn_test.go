// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// onePair is two sockets whose hosts are 10 ms apart.
func onePair(t *testing.T) (n *Network, a, b *Conn) {
	n = newNetwork(t, 1)
	a = listen(t, newTestHost(t, n, addrA, Link{Delay: 10 * ms}, Link{}), 0)
	b = listen(t, newTestHost(t, n, addrB, Link{Delay: 10 * ms}, Link{}), 0)
	return n, a, b
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := onePair(t)
		start := time.Now()
		expires := func(want time.Duration) {
			t.Helper()
			_, _, err := b.ReadFrom(make([]byte, 1))
			var timeout net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("read ended with %v", err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("read ended after %v, want %v", took, want)
			}
		}
		check(t, b.SetReadDeadline(start.Add(5*ms)))
		expires(5 * ms)
		expires(5 * ms) // a deadline stays passed

		// A deadline set while a read waits ends that read.
		check(t, b.SetReadDeadline(time.Time{}))
		time.AfterFunc(5*ms, func() { check(t, b.SetDeadline(time.Now())) })
		expires(10 * ms)
		if _, err := b.WriteTo(nil, a.LocalAddr()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}

		// What arrives before the deadline is read.
		check(t, b.SetDeadline(time.Now().Add(20*ms)))
		write(t, a, []byte("x"), b.LocalAddr())
		if n, from, err := b.ReadFrom(make([]byte, 10)); n != 1 || err != nil || from.String() != a.LocalAddr().String() {
			t.Errorf("ReadFrom = %d, %v, %v", n, from, err)
		}
		if took := time.Since(start); took != 20*ms {
			t.Errorf("read after %v, want 20 ms", took)
		}
	})
}

func TestCloseUnblocksRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, b := onePair(t)
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				if _, _, err := b.ReadFrom(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("read ended with %v", err)
				}
			})
		}
		synctest.Wait()
		check(t, b.Close())
		readers.Wait()
		if err := b.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if err := b.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline: %v", err)
		}
		if err := b.SetReadBuffer(1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetReadBuffer: %v", err)
		}
	})
}

// TestManyReaders: each datagram wakes a reader, also when several arrive at one instant.
func TestManyReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := onePair(t)
		var readers sync.WaitGroup
		for range 5 {
			readers.Go(func() {
				if _, _, err := b.ReadFrom(make([]byte, 1)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range 5 {
			write(t, a, []byte("x"), b.LocalAddr())
		}
		readers.Wait()
	})
}

func TestPayloadIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := onePair(t)
		payload := []byte("as sent")
		write(t, a, payload, b.LocalAddr())
		copy(payload, "changed")
		write(t, a, nil, b.LocalAddr())
		write(t, a, []byte("too long for the reader"), b.LocalAddr())
		buf := make([]byte, 8)
		for _, want := range []string{"as sent", "", "too long"} {
			n, _, err := b.ReadFrom(buf)
			if err != nil || string(buf[:n]) != want {
				t.Errorf("read %q, %v, want %q", buf[:n], err, want)
			}
		}
	})
}

func TestReceiveQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := onePair(t)
		check(t, b.SetReadBuffer(3*(100+readOverhead)))
		for range 5 {
			write(t, a, make([]byte, 100), b.LocalAddr())
		}
		time.Sleep(time.Second)
		if got := len(drain(t, b)); got != 3 {
			t.Errorf("read %d, want 3", got)
		}
		if got := b.host.Stats(); got.SocketDrops != 2 || got.Delivered != 3 || got.DeliveredBytes != 300 {
			t.Errorf("counted %+v", got)
		}
		balance(t, n)
	})
}

func TestPorts(t *testing.T) {
	n := newNetwork(t, 1)
	h := newTestHost(t, n, addrA, Link{}, Link{})
	first, second := listen(t, h, 0), listen(t, h, 0)
	if p, q := first.local.Port(), second.local.Port(); p != firstEphemeral || q != firstEphemeral+1 {
		t.Errorf("ephemeral ports %d and %d", p, q)
	}
	if _, err := h.ListenPacket(second.local.Port()); !errors.Is(err, ErrPortInUse) {
		t.Errorf("second socket on a port: %v", err)
	}
	check(t, first.Close())
	listen(t, h, firstEphemeral)
	for range 1<<16 - firstEphemeral - 2 {
		listen(t, h, 0)
	}
	if _, err := h.ListenPacket(0); !errors.Is(err, ErrPortInUse) {
		t.Errorf("with all ports taken: %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	_, a, b := onePair(t)
	if _, err := a.WriteTo(make([]byte, maxDatagram+1), b.LocalAddr()); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("too long: %v", err)
	}
	for name, to := range map[string]net.Addr{
		"not UDP": &net.TCPAddr{IP: addrB.AsSlice(), Port: 1}, "no address": &net.UDPAddr{Port: 1},
		"no port": &net.UDPAddr{IP: addrB.AsSlice()}, "nil": (*net.UDPAddr)(nil), "nothing": nil,
	} {
		if _, err := a.WriteTo([]byte("x"), to); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// The form of an address that the net package gives for IPv4 is understood.
	mapped := netip.AddrPortFrom(netip.AddrFrom16(addrB.As16()), b.local.Port())
	if _, err := a.WriteToUDPAddrPort([]byte("x"), mapped); err != nil {
		t.Error(err)
	}
	if n, _, err := b.ReadFrom(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}
