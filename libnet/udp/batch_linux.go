// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// packetConn is what ipv4.PacketConn and ipv6.PacketConn have in common; both message types are one.
type packetConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// mmsg moves datagrams by recvmmsg and sendmmsg.
type mmsg struct {
	conn packetConn
	in   []ipv4.Message // the reader's; each owns a buffer of MaxDatagram bytes
	out  sync.Pool      // of *outBatch: writers run at the same time
}

// outBatch is one writer's scratch space.
type outBatch struct {
	ms    [maxBatch]ipv4.Message
	bufs  [maxBatch][1][]byte
	addrs [maxBatch]net.UDPAddr
	ips   [maxBatch][16]byte
}

func newBatcher(u *net.UDPConn) batcher {
	m := &mmsg{out: sync.Pool{New: func() any { return new(outBatch) }}}
	if local, err := addrPort(u.LocalAddr()); err == nil && local.Addr().Is4() {
		m.conn = ipv4.NewPacketConn(u)
	} else {
		m.conn = ipv6.NewPacketConn(u)
	}
	m.in = make([]ipv4.Message, maxBatch)
	space := make([]byte, maxBatch*MaxDatagram)
	for i := range m.in {
		m.in[i].Buffers = [][]byte{space[i*MaxDatagram : (i+1)*MaxDatagram : (i+1)*MaxDatagram]}
	}
	return m
}

func (m *mmsg) readBatch(ms []Message) (int, error) {
	n, err := m.conn.ReadBatch(m.in[:min(len(ms), maxBatch)], 0)
	if err != nil {
		return 0, err
	}
	for i, in := range m.in[:n] {
		ms[i].Buf = in.Buffers[0][:in.N]
		ms[i].Addr = netip.AddrPort{}
		if from, ok := in.Addr.(*net.UDPAddr); ok {
			ms[i].Addr = unmap(from.AddrPort())
		}
	}
	return n, nil
}

func (m *mmsg) writeBatch(ms []Message) (int, error) {
	o := m.out.Get().(*outBatch)
	n := min(len(ms), maxBatch)
	for i, msg := range ms[:n] {
		o.bufs[i][0] = msg.Buf
		o.setAddr(i, msg.Addr)
		o.ms[i].Buffers = o.bufs[i][:]
		o.ms[i].Addr = &o.addrs[i]
	}
	sent, err := m.conn.WriteBatch(o.ms[:n], 0)
	clear(o.bufs[:n])
	m.out.Put(o)
	return max(sent, 0), err
}

func (o *outBatch) setAddr(i int, to netip.AddrPort) {
	a := &o.addrs[i]
	a.Port, a.Zone = int(to.Port()), to.Addr().Zone()
	if to.Addr().Is4() {
		ip := to.Addr().As4()
		a.IP = append(o.ips[i][:0], ip[:]...)
		return
	}
	o.ips[i] = to.Addr().As16()
	a.IP = o.ips[i][:]
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
