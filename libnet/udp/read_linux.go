// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// reader reads datagrams, merged by the kernel if the socket has GRO.
type reader struct {
	raw    syscall.RawConn
	merged bool // the socket has GRO
	pool   *arenaPool
	arena  *arena // from a read that found data until the next one
	zones  zoneNames

	// Of the present call. poll is the method tryRead, bound once: binding allocates.
	poll  func(fd uintptr) bool
	want  int
	wait  bool
	got   int
	errno unix.Errno
}

func newReader(raw syscall.RawConn, gro bool) *reader {
	r := &reader{raw: raw, merged: gro, pool: plainArenas}
	if gro {
		r.pool = mergedArenas
	}
	r.poll = r.tryRead
	return r
}

func (r *reader) readBatch(ms []Message, wait bool) (int, error) {
	r.want, r.wait, r.got, r.errno = len(ms), wait, 0, 0
	if err := r.raw.Read(r.poll); err != nil {
		r.release()
		return 0, err
	}
	if r.errno != 0 {
		r.release()
		return 0, os.NewSyscallError("recvmmsg", r.errno)
	}
	for i := range ms[:r.got] {
		r.arena.message(i, &ms[i], &r.zones)
	}
	return r.got, nil
}

// tryRead tells whether the call is over. While it waits for datagrams it holds no arena.
func (r *reader) tryRead(fd uintptr) bool {
	if r.arena == nil {
		r.arena = r.pool.take(r)
	}
	n, errno := recvmmsg(fd, r.arena.prepare(r.want))
	if errno == unix.EAGAIN {
		r.release()
		return !r.wait
	}
	r.got, r.errno = n, errno
	r.arena.used = n
	return true
}

func (r *reader) release() {
	if r.arena != nil {
		r.pool.give(r.arena, r)
		r.arena = nil
	}
}
