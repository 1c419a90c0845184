// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arena is what one recvmmsg writes to. It belongs to one reader at a time.
type arena struct {
	owner    *reader // nil in the pool
	headers  []unix.Mmsghdr
	used     int // headers that the last call has written to
	size     int // of each buffer
	space    []byte
	iovecs   []unix.Iovec
	names    []sockaddr
	controls []control
}

// newArena makes n buffers of size bytes.
func newArena(n, size int) *arena {
	a := &arena{
		headers:  make([]unix.Mmsghdr, n),
		used:     n,
		size:     size,
		space:    make([]byte, n*size),
		iovecs:   make([]unix.Iovec, n),
		names:    make([]sockaddr, n),
		controls: make([]control, n),
	}
	for i := range a.headers {
		a.iovecs[i].Base = &a.space[i*size]
		a.iovecs[i].SetLen(size)
		h := &a.headers[i].Hdr
		h.Iov = &a.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&a.names[i]))
		h.Control = (*byte)(unsafe.Pointer(&a.controls[i]))
	}
	return a
}

// prepare gives up to n headers, as they have to be before a call.
func (a *arena) prepare(n int) []unix.Mmsghdr {
	for i := range a.headers[:a.used] {
		h := &a.headers[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(int(unsafe.Sizeof(control{})))
		h.Flags = 0
	}
	a.used = 0
	return a.headers[:min(n, len(a.headers))]
}

// message describes what the call has written to buffer i.
func (a *arena) message(i int, m *Message, zones *zoneNames) {
	h := &a.headers[i]
	n := min(int(h.Len), a.size)
	m.Buf = unsafe.Slice(a.iovecs[i].Base, a.size)[:n]
	m.Addr = a.names[i].addrPort(h.Hdr.Namelen, zones)
	m.SegmentSize = a.controls[i].segmentSize(int(h.Hdr.Controllen))
	if m.SegmentSize <= 0 || m.SegmentSize >= n {
		m.Buf, m.SegmentSize = cut(m.Buf), 0
	}
}

// arenaPool lends arenas of one shape to the readers of all sockets while they have datagrams, so that
// a socket where nothing comes keeps no buffers.
type arenaPool struct {
	make func() *arena

	mu   sync.Mutex
	free []*arena // at most maxIdleArenas
}

var (
	plainArenas  = &arenaPool{make: func() *arena { return newArena(maxBatch, MaxDatagram) }}
	mergedArenas = &arenaPool{make: func() *arena { return newArena(groBatch, groBuffer) }}
)

func (p *arenaPool) take(owner *reader) *arena {
	a := p.pop()
	if a == nil {
		a = p.make()
	}
	a.owner = owner
	return a
}

func (p *arenaPool) pop() *arena {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	if last < 0 {
		return nil
	}
	a := p.free[last]
	p.free[last] = nil
	p.free = p.free[:last]
	return a
}

// give takes an arena back. It panics if owner does not have it: two readers would share its buffers.
func (p *arenaPool) give(a *arena, owner *reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if owner == nil || a.owner != owner {
		panic("udp: an arena is released that its releaser does not own")
	}
	a.owner = nil
	if len(p.free) < maxIdleArenas {
		p.free = append(p.free, a)
	}
}
