// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeSend stands between a writer and the system: it refuses merged sends, or any, as told.
type fakeSend struct {
	refuse  func(h *unix.Mmsghdr) unix.Errno // 0: let it pass
	merged  int                              // merged sends seen
	refused int
}

func inject(s *Socket, refuse func(h *unix.Mmsghdr) unix.Errno) *fakeSend {
	f := &fakeSend{refuse: refuse}
	s.batch.(*mmsg).send = f.send
	return f
}

// send behaves as sendmmsg: an error is told only when the first message meets it.
func (f *fakeSend) send(fd uintptr, hs []unix.Mmsghdr) (int, unix.Errno) {
	n := 0
	for ; n < len(hs); n++ {
		if hs[n].Hdr.Controllen > 0 {
			f.merged++
		}
		errno := f.refuse(&hs[n])
		if errno == 0 {
			continue
		}
		if n == 0 {
			f.refused++
			return 0, errno
		}
		break
	}
	return sendmmsg(fd, hs[:n])
}

func refuseMerged(errno unix.Errno) func(*unix.Mmsghdr) unix.Errno {
	return func(h *unix.Mmsghdr) unix.Errno {
		if h.Hdr.Controllen > 0 {
			return errno
		}
		return 0
	}
}

// equalMessages to one destination, and their texts.
func equalMessages(n, size int, to netip.AddrPort) (ms []Message, texts []string) {
	for i := range n {
		text := strings.Repeat(string(rune('a'+i%26)), size)
		ms, texts = append(ms, Message{Buf: []byte(text), Addr: to}), append(texts, text)
	}
	return ms, texts
}

func wantOffload(t *testing.T, s *Socket) {
	t.Helper()
	if st := s.Stats(); !st.GSO || !st.GRO {
		t.Fatalf("this kernel has no GSO or no GRO (%+v): the test needs Linux 5.0 or later", st)
	}
}

func TestEqualDatagramsTravelMerged(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		a, b := listenConfig(t, address, Config{}), listenConfig(t, address, Config{})
		wantOffload(t, a)
		out, want := equalMessages(40, 1200, b.LocalAddr())
		out[39].Buf, want[39] = out[39].Buf[:7], want[39][:7]
		if n, err := a.WriteBatch(out); n != 40 || err != nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		in := make([]Message, 4)
		n, err := b.ReadBatch(in)
		if n != 1 || err != nil || in[0].SegmentSize != 1200 || in[0].Addr != a.LocalAddr() {
			t.Fatalf("ReadBatch = %d, %v, segment size %d", n, err, in[0].SegmentSize)
		}
		var got []string
		for d := range in[0].Datagrams() {
			got = append(got, string(d))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d datagrams are not those that were sent", len(got))
		}
		sa, sb := a.Stats(), b.Stats()
		if sa.MergedOut != 40 || sa.Writes != 1 || sa.DatagramsOut != 40 {
			t.Errorf("sender's stats: %+v", sa)
		}
		if sb.MergedIn != 40 || sb.Reads != 1 || sb.DatagramsIn != 40 {
			t.Errorf("receiver's stats: %+v", sb)
		}
	}
}

func TestNeighboursInMemoryShareAVector(t *testing.T) {
	a, b := listenConfig(t, "127.0.0.1:0", Config{}), listenConfig(t, "127.0.0.1:0", Config{})
	wantOffload(t, a)
	vectors := 0
	inject(a, func(h *unix.Mmsghdr) unix.Errno { vectors += int(h.Hdr.Iovlen); return 0 })
	space := []byte("aaabbbcccdddee-fffggg")
	var out []Message
	for _, r := range [][2]int{{0, 3}, {3, 6}, {6, 9}, {15, 18}, {18, 21}, {9, 12}, {12, 14}} {
		out = append(out, Message{Buf: space[r[0]:r[1]], Addr: b.LocalAddr()})
	}
	if n, err := a.WriteBatch(out); n != len(out) || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	want := []string{"aaa", "bbb", "ccc", "fff", "ggg", "ddd", "ee"}
	if got := first(readAll(t, b, len(want))); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s := a.Stats(); s.Writes != 1 || vectors != 3 {
		t.Errorf("%d writes of %d vectors, want 1 of 3", s.Writes, vectors)
	}
}

func TestNoOffloadMergesNothing(t *testing.T) {
	a, b := listenConfig(t, "127.0.0.1:0", Config{NoOffload: true}), listenConfig(t, "127.0.0.1:0", Config{NoOffload: true})
	out, want := equalMessages(maxBatch, 1200, b.LocalAddr())
	if _, err := a.WriteBatch(out); err != nil {
		t.Fatal(err)
	}
	if got := first(readAll(t, b, maxBatch)); !slices.Equal(got, want) {
		t.Fatal("the datagrams are not those that were sent")
	}
	for _, s := range []Stats{a.Stats(), b.Stats()} {
		if s.GSO || s.GRO || s.MergedIn != 0 || s.MergedOut != 0 {
			t.Errorf("stats %+v", s)
		}
	}
}

func TestMergeable(t *testing.T) {
	x, y := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:1")
	type run struct {
		n, size int
		to      netip.AddrPort
	}
	tests := []struct {
		name string
		runs []run
		want int
	}{
		{"one", []run{{1, 100, x}}, 1},
		{"equal", []run{{5, 100, x}}, 5},
		{"last is shorter", []run{{5, 100, x}, {1, 99, x}, {1, 99, x}}, 6},
		{"next is longer", []run{{5, 100, x}, {1, 101, x}}, 5},
		{"next is empty", []run{{5, 100, x}, {1, 0, x}}, 5},
		{"empty ones", []run{{5, 0, x}}, 1},
		{"another destination", []run{{5, 100, x}, {1, 100, y}}, 5},
		{"too long for a path", []run{{5, MaxDatagram + 1, x}}, 1},
		{"too many", []run{{maxSegments + 1, 100, x}}, maxSegments},
		{"too long together", []run{{maxSegments, 1232, x}}, maxMerged / 1232},
	}
	for _, tt := range tests {
		var ms []Message
		for _, r := range tt.runs {
			for range r.n {
				ms = append(ms, Message{Buf: make([]byte, r.size), Addr: r.to})
			}
		}
		if got := mergeable(ms); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestRefusedMergeIsSentPlainly(t *testing.T) {
	tests := []struct {
		errno   unix.Errno
		batches int   // until GSO is off
		told    error // until then
	}{
		{unix.EIO, 1, nil},
		{unix.EOPNOTSUPP, 1, nil},
		{unix.EINVAL, maxRefusals, ErrTooLong},
		{unix.EMSGSIZE, maxRefusals, ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.errno.Error(), func(t *testing.T) {
			a, b := listenConfig(t, "127.0.0.1:0", Config{}), listenConfig(t, "127.0.0.1:0", Config{})
			wantOffload(t, a)
			f := inject(a, refuseMerged(tt.errno))
			out, want := equalMessages(10, 1000, b.LocalAddr())
			for i := range tt.batches + 2 {
				told := tt.told
				if i >= tt.batches {
					told = nil
				}
				if n, err := a.WriteBatch(out); n != 10 || err != told {
					t.Fatalf("batch %d: WriteBatch = %d, %v", i, n, err)
				}
				if got := first(readAll(t, b, 10)); !slices.Equal(got, want) {
					t.Fatalf("batch %d: not the datagrams that were sent", i)
				}
				if gso := a.Stats().GSO; gso != (i+1 < tt.batches) {
					t.Fatalf("after %d refused batches: GSO is %v", i+1, gso)
				}
			}
			s := a.Stats()
			if f.merged != tt.batches || s.RefusedMerges != uint64(tt.batches) || s.WriteErrors != 0 || s.MergedOut != 0 {
				t.Errorf("%d merged sends; stats %+v", f.merged, s)
			}
		})
	}
}

// One path with a small MTU must not cost the others their merging.
func TestRefusalsOfOnePathDoNotAddUp(t *testing.T) {
	a := listenConfig(t, "127.0.0.1:0", Config{})
	b, narrow := listenConfig(t, "127.0.0.1:0", Config{}), listenConfig(t, "127.0.0.1:0", Config{})
	wantOffload(t, a)
	port := narrow.LocalAddr().Port()
	inject(a, func(h *unix.Mmsghdr) unix.Errno {
		if to := (*sockaddr)(unsafe.Pointer(h.Hdr.Name)); to.addrPort(h.Hdr.Namelen, nil).Port() == port {
			return refuseMerged(unix.EINVAL)(h)
		}
		return 0
	})
	toNarrow, wantNarrow := equalMessages(5, 1000, narrow.LocalAddr())
	toWide, wantWide := equalMessages(5, 1000, b.LocalAddr())
	for range 3 * maxRefusals {
		if n, err := a.WriteBatch(slices.Concat(toWide, toNarrow, toWide)); n != 15 || err != ErrTooLong {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		if got := first(readAll(t, narrow, 5)); !slices.Equal(got, wantNarrow) {
			t.Fatal("narrow: not the datagrams that were sent")
		}
		if got := first(readAll(t, b, 10)); !slices.Equal(got, slices.Concat(wantWide, wantWide)) {
			t.Fatal("wide: not the datagrams that were sent")
		}
	}
	if s := a.Stats(); !s.GSO || s.RefusedMerges != 3*maxRefusals {
		t.Errorf("stats %+v", s)
	}
}

func TestRefusedDestinationCostsOnlyItsDatagrams(t *testing.T) {
	a, b := listenConfig(t, "127.0.0.1:0", Config{}), listenConfig(t, "127.0.0.1:0", Config{})
	gone := netip.MustParseAddrPort("127.0.0.1:9")
	inject(a, func(h *unix.Mmsghdr) unix.Errno {
		if to := (*sockaddr)(unsafe.Pointer(h.Hdr.Name)); to.addrPort(h.Hdr.Namelen, nil) == gone {
			return unix.ECONNREFUSED
		}
		return 0
	})
	good, want := equalMessages(5, 100, b.LocalAddr())
	bad, _ := equalMessages(5, 100, gone)
	n, err := a.WriteBatch(slices.Concat(good, bad, good, bad))
	if n != 10 || err == nil {
		t.Fatalf("WriteBatch = %d, %v; want 10 and an error", n, err)
	}
	if got := first(readAll(t, b, 10)); !slices.Equal(got, slices.Concat(want, want)) {
		t.Fatal("not the datagrams that were sent")
	}
	if s := a.Stats(); s.WriteErrors != 10 || s.DatagramsOut != 10 || s.RefusedMerges != 0 || !s.GSO {
		t.Errorf("stats %+v", s)
	}
}

// A full send buffer makes a write wait; closing the socket ends the wait.
func TestCloseEndsWrite(t *testing.T) {
	s := listenConfig(t, "127.0.0.1:0", Config{})
	waits := make(chan struct{}, 1)
	s.batch.(*mmsg).send = func(uintptr, []unix.Mmsghdr) (int, unix.Errno) {
		select {
		case waits <- struct{}{}:
		default:
		}
		return 0, unix.EAGAIN
	}
	done := make(chan error)
	go func() {
		_, err := s.WriteBatch([]Message{{Buf: []byte("x"), Addr: s.LocalAddr()}})
		done <- err
	}()
	<-waits
	s.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("WriteBatch = %v, want net.ErrClosed", err)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, tt := range []struct{ name, from, to string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0"},
		{"IPv6", "[::1]:0", "[::1]:0"},
		{"both families to IPv4", ":0", "127.0.0.1:0"},
	} {
		for _, cfg := range []Config{{}, {NoOffload: true}, {NoBatch: true}} {
			a, b := listenConfig(t, tt.from, cfg), listenConfig(t, tt.to, cfg)
			out, _ := equalMessages(maxBatch, 1200, b.LocalAddr())
			in := make([]Message, maxBatch)
			bytes := 0
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := a.WriteBatch(out); err != nil {
					t.Fatal(err)
				}
				for got := 0; got < maxBatch; {
					n, err := b.ReadBatch(in)
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range in[:n] {
						for d := range m.Datagrams() {
							got++
							bytes += len(d)
						}
					}
				}
			})
			if allocs != 0 {
				t.Errorf("%s, %+v: %v allocations per batch", tt.name, cfg, allocs)
			}
		}
	}
}

func TestProbe(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if !tryOffload(fd) {
		t.Error("the trial fails on this kernel")
	}
	tcp, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(tcp)
	if got := probe(tcp); got != (features{}) {
		t.Errorf("a TCP socket has %+v", got)
	}
}
