// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// features of a socket.
type features struct{ gso, gro bool }

// probe tells what the socket can do, and switches GRO on. GSO is asked for with each send.
func probe(fd int) features {
	if !offloadWorks() {
		return features{}
	}
	return features{
		gso: unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 0) == nil,
		gro: unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) == nil,
	}
}

// offloadWorks tries both once per process. Kernels before 4.18 ignore the control message and send
// everything as one datagram, and some that imitate Linux take the options and do nothing.
var offloadWorks = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return true // without IPv4 it cannot be tried; the options decide
	}
	defer unix.Close(fd)
	return tryOffload(fd)
})

// tryOffload sends three datagrams merged from a socket to itself. Only what is seen to be wrong counts
// against it: a host may have no loopback.
func tryOffload(fd int) bool {
	const size, total = 100, 250
	gso := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 0)
	gro := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1)
	if gso != nil {
		return gro == nil
	}
	if unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) != nil {
		return true
	}
	self, err := unix.Getsockname(fd)
	if err != nil {
		return true
	}
	var c control
	n := c.setSegmentSize(size)
	ask := unsafe.Slice((*byte)(unsafe.Pointer(&c)), n)
	if err := unix.Sendmsg(fd, make([]byte, total), ask, self, 0); err != nil {
		return !refusesMerge(err)
	}
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(ready, int(trialTimeout.Milliseconds())); n != 1 || err != nil {
		return true
	}
	c = control{}
	answer := unsafe.Slice((*byte)(unsafe.Pointer(&c)), unsafe.Sizeof(c))
	length, controls, _, _, err := unix.Recvmsg(fd, make([]byte, total), answer, 0)
	if err != nil {
		return true
	}
	if c.segmentSize(controls) == size {
		return length == total
	}
	return length == size
}
