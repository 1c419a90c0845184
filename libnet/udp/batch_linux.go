// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsg moves datagrams by recvmmsg and sendmmsg. The calls are made directly, on headers that are built once
// and reused: golang.org/x/net allocates an address for every datagram.
type mmsg struct {
	*reader
	*writer
}

func newBatcher(u *net.UDPConn, cfg Config, c *counters) (batcher, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, err
	}
	var is6 bool
	var has features
	err = raw.Control(func(fd uintptr) {
		domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		is6 = err == nil && domain == unix.AF_INET6
		if !cfg.NoOffload {
			has = probe(int(fd))
		}
	})
	if err != nil {
		return nil, err
	}
	return &mmsg{newReader(raw, has.gro), newWriter(raw, u, c, is6, has.gso)}, nil
}

func (m *mmsg) offload() (gso, gro bool) { return m.writer.merges.Load(), m.reader.merged }

// control is room for one control message, UDP_SEGMENT or UDP_GRO; the data follows the header at once, for
// the header's size is a multiple of the alignment on every architecture.
type control struct {
	unix.Cmsghdr
	data [16]byte
}

// setSegmentSize makes it ask for segmentation, and gives its length.
func (c *control) setSegmentSize(size int) int {
	c.Level, c.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	c.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Pointer(&c.data)) = uint16(size)
	return unix.CmsgSpace(2)
}

// segmentSize is what the kernel says about a read datagram: 0 if it was not merged. No other control
// messages are asked for on these sockets.
func (c *control) segmentSize(length int) int {
	if length < unix.CmsgLen(4) || c.Level != unix.SOL_UDP || c.Type != unix.UDP_GRO {
		return 0
	}
	return int(*(*int32)(unsafe.Pointer(&c.data)))
}

// recvmmsg and sendmmsg do not wait: the sockets are non-blocking.
func recvmmsg(fd uintptr, hs []unix.Mmsghdr) (int, unix.Errno) {
	return repeat(unix.SYS_RECVMMSG, fd, hs)
}

func sendmmsg(fd uintptr, hs []unix.Mmsghdr) (int, unix.Errno) {
	return repeat(unix.SYS_SENDMMSG, fd, hs)
}

func repeat(call, fd uintptr, hs []unix.Mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(hs))), uintptr(len(hs)), 0, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// forceBuffers goes past the administrator's limit where the process may.
func forceBuffers(u *net.UDPConn) {
	raw, err := u.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer)
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
	})
}
