// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errFamily: an IPv4 socket has no way to an IPv6 address, and none has to the zero netip.Addr.
var errFamily = errors.New("udp: the socket cannot send to this kind of address")

// writer writes datagrams, merged where they allow it if the socket has GSO.
type writer struct {
	raw      syscall.RawConn
	conn     *net.UDPConn // for addresses with a zone
	is6      bool
	counters *counters
	merges   atomic.Bool // GSO is on; written under mu
	send     func(fd uintptr, hs []unix.Mmsghdr) (int, unix.Errno)

	mu       sync.Mutex // guards all below; the system takes the writes of one socket one after the other anyway
	refusals int        // merged sends refused since the last one that was taken
	headers  [maxBatch]unix.Mmsghdr
	holds    [maxBatch]int // messages in a header
	iovecs   [maxBatch]unix.Iovec
	names    [maxBatch]sockaddr
	controls [maxBatch]control

	// Of the present call. poll is the method tryWrite, bound once: binding allocates.
	poll     func(fd uintptr) bool
	at, end  int // headers still to send
	refusal  unix.Errno
	attempts uint64
}

func newWriter(raw syscall.RawConn, u *net.UDPConn, c *counters, is6, gso bool) *writer {
	w := &writer{raw: raw, conn: u, counters: c, is6: is6, send: sendmmsg}
	w.merges.Store(gso)
	w.poll = w.tryWrite
	for i := range w.headers {
		w.headers[i].Hdr.Name = (*byte)(unsafe.Pointer(&w.names[i]))
	}
	return w
}

func (w *writer) writeBatch(ms []Message) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first error
	long := false
	sent, alone := 0, 0 // alone: messages at the front of ms that were refused merged
	for len(ms) > 0 {
		taken, refused, err := w.writeSome(ms, alone)
		sent += taken
		if refused > 1 && refusesMerge(err) {
			w.countRefusal(err)
			if tooLong(err) {
				long = true
			}
			alone, refused, err = taken+refused, 0, nil
		}
		if err != nil && first == nil {
			first = err
		}
		if errors.Is(err, net.ErrClosed) {
			break
		}
		ms = ms[taken+refused:]
		alone = max(0, alone-taken-refused)
	}
	if first == nil && long {
		first = ErrTooLong
	}
	return sent, first
}

// writeSome writes from the front of ms: taken messages were sent, and the refused ones after them were not,
// because of err. Messages before alone are not merged.
func (w *writer) writeSome(ms []Message, alone int) (taken, refused int, err error) {
	n := w.fill(ms, alone)
	if n == 0 {
		return w.writeOdd(ms[0])
	}
	w.at, w.end, w.refusal, w.attempts = 0, n, 0, 0
	err = w.raw.Write(w.poll)
	merged := 0
	for _, holds := range w.holds[:w.at] {
		taken += holds
		if holds > 1 {
			merged += holds
			w.refusals = 0
		}
	}
	w.counters.writes.Add(w.attempts)
	w.counters.mergedOut.Add(uint64(merged))
	clear(w.iovecs[:]) // the caller's memory is not kept
	if err == nil && w.refusal != 0 {
		err = os.NewSyscallError("sendmmsg", w.refusal)
	}
	if err != nil {
		refused = w.holds[w.at]
	}
	return taken, refused, err
}

// tryWrite tells whether the call is over.
func (w *writer) tryWrite(fd uintptr) bool {
	for w.at < w.end {
		n, errno := w.send(fd, w.headers[w.at:w.end])
		if errno == unix.EAGAIN {
			return false
		}
		w.attempts++
		if errno != 0 {
			w.refusal = errno
			return true
		}
		w.at += n
	}
	return true
}

// writeOdd sends a message to an address that fill has no form for.
func (w *writer) writeOdd(m Message) (taken, refused int, err error) {
	if m.Addr.Addr().Zone() == "" || !w.is6 {
		return 0, 1, errFamily
	}
	w.counters.writes.Add(1)
	if _, err := w.conn.WriteToUDPAddrPort(m.Buf, m.Addr); err != nil {
		return 0, 1, err
	}
	return 1, 0, nil
}

// refusesMerge: EIO comes where the way out cannot compute checksums, EINVAL and EMSGSIZE where segments do
// not fit the path (alone they are fragmented), the others from systems that lack it after all.
func refusesMerge(err error) bool {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		return true
	}
	return false
}

// tooLong tells whether a merged send may have been refused because its segments do not fit the path.
func tooLong(err error) bool { return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EMSGSIZE) }

// countRefusal gives GSO up for this socket at once where the reason will not go away; where it may lie in
// one path, other paths keep it unless refusals are all there is.
func (w *writer) countRefusal(err error) {
	w.counters.refusedMerges.Add(1)
	w.refusals++
	if !tooLong(err) || w.refusals >= maxRefusals {
		w.merges.Store(false)
	}
}
