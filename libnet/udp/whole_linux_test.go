// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A datagram that must stay whole has the option of the kind of address that it goes to, and nothing else has it after.
func TestWriteWhole(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string
		level, option  int
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER},
		{"IPv6", "[::1]:0", "[::1]:0", unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER},
		{"IPv4 from a socket for both", ":0", "127.0.0.1:0", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := listenConfig(t, tt.from, Config{}), listenConfig(t, tt.to, Config{})
			if !a.WritesWhole() {
				t.Fatal("it says that it cannot")
			}
			var seen []int
			a.batch.(*mmsg).send = func(fd uintptr, hs []unix.Mmsghdr) (int, unix.Errno) {
				v, err := unix.GetsockoptInt(int(fd), tt.level, tt.option)
				if err != nil {
					t.Error(err)
				}
				seen = append(seen, v)
				return sendmmsg(fd, hs)
			}
			usual, _ := equalMessages(2, 1000, b.LocalAddr())
			if _, err := a.WriteBatch(usual); err != nil {
				t.Fatal(err)
			}
			if err := a.WriteWhole(make([]byte, 1452), b.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			if _, err := a.WriteBatch(usual); err != nil {
				t.Fatal(err)
			}
			readAll(t, b, 5)
			if want := []int{unix.IP_PMTUDISC_WANT, unix.IP_PMTUDISC_PROBE, unix.IP_PMTUDISC_WANT}; !slices.Equal(seen, want) {
				t.Errorf("the option was %v, want %v", seen, want)
			}
			if s := a.Stats(); s.DatagramsOut != 5 || s.WriteErrors != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// A probe that is too long for the first link is refused, and costs nothing else: datagrams are merged as before.
func TestWriteWholeTooLong(t *testing.T) {
	a, b := listenConfig(t, "127.0.0.1:0", Config{}), listenConfig(t, "127.0.0.1:0", Config{})
	wantOffload(t, a)
	inject(a, func(h *unix.Mmsghdr) unix.Errno {
		if h.Hdr.Iov.Len > 1232 && h.Hdr.Controllen == 0 {
			return unix.EMSGSIZE
		}
		return 0
	})
	for range 2 * maxRefusals {
		if err := a.WriteWhole(make([]byte, 1452), b.LocalAddr()); !errors.Is(err, unix.EMSGSIZE) {
			t.Fatalf("WriteWhole: %v", err)
		}
	}
	out, want := equalMessages(10, 1000, b.LocalAddr())
	if _, err := a.WriteBatch(out); err != nil {
		t.Fatal(err)
	}
	if got := first(readAll(t, b, 10)); !slices.Equal(got, want) {
		t.Error("not the datagrams that were sent")
	}
	if s := a.Stats(); !s.GSO || s.RefusedMerges != 0 || s.MergedOut != 10 || s.WriteErrors != 2*maxRefusals {
		t.Errorf("stats %+v", s)
	}
}

// What is no UDP socket fragments nothing; a UDP socket that is used one datagram at a time is not told how.
func TestWriteWholeElsewhere(t *testing.T) {
	plain := listen(t, "127.0.0.1:0", Config{}, true)
	if err := plain.WriteWhole([]byte("x"), plain.LocalAddr()); err != nil || !plain.WritesWhole() {
		t.Errorf("another kind of conn: %v", err)
	}
	single := listenConfig(t, "127.0.0.1:0", Config{NoBatch: true})
	if err := single.WriteWhole([]byte("x"), single.LocalAddr()); err != errNoWhole || single.WritesWhole() {
		t.Errorf("no batch: %v", err)
	}
	if s := single.Stats(); s.WriteErrors != 1 {
		t.Errorf("stats %+v", s)
	}
	closed := listenConfig(t, "127.0.0.1:0", Config{})
	closed.Close()
	if err := closed.WriteWhole([]byte("x"), netip.MustParseAddrPort("127.0.0.1:9")); err == nil {
		t.Error("a closed socket has sent it")
	}
}
