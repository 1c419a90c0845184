// SPDX-License-Identifier: GPL-3.0-or-later

// Package udp reads and writes UDP datagrams in batches: the only shape it has, so that system calls, and
// later the kernel's segmentation offloads, are shared by many datagrams without a change for the caller.
package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Message is one datagram. Addr is the peer it came from or goes to; IPv4 addresses are plain ones, never
// mapped into IPv6.
type Message struct {
	Buf  []byte
	Addr netip.AddrPort
}

// batcher moves datagrams for one kind of socket.
type batcher interface {
	// readBatch waits for at least one datagram.
	readBatch(ms []Message) (int, error)
	// writeBatch sends a prefix of ms, at least one datagram unless it fails with the first.
	writeBatch(ms []Message) (int, error)
}

// Socket is a datagram socket with batched reads and writes.
//
// One goroutine may read, any number may write at the same time.
type Socket struct {
	conn  net.PacketConn
	batch batcher
	local netip.AddrPort
}

// Listen opens a UDP socket at an address such as ":7100" or "127.0.0.1:0".
func Listen(address string) (*Socket, error) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	return New(conn)
}

// New takes ownership of conn and asks for larger socket buffers. A *net.UDPConn gets recvmmsg and
// sendmmsg on Linux; any other net.PacketConn is read and written one datagram at a time.
func New(conn net.PacketConn) (*Socket, error) {
	local, err := addrPort(conn.LocalAddr())
	if err != nil {
		return nil, fmt.Errorf("local address: %w", err)
	}
	s := &Socket{conn: conn, local: local}
	growBuffers(conn)
	if u, ok := conn.(*net.UDPConn); ok {
		s.batch = newBatcher(u)
	} else {
		s.batch = newSingle(conn)
	}
	return s, nil
}

// LocalAddr is the address the socket is bound to; its IP is unspecified when bound to all of them.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close closes the socket. A ReadBatch that waits returns net.ErrClosed.
func (s *Socket) Close() error { return s.conn.Close() }

// ReadBatch waits for datagrams and fills ms with up to len(ms) of them. Each Buf then points into memory
// of the socket that is valid until the next ReadBatch; the reader may overwrite it. A datagram longer than
// MaxDatagram is cut to MaxDatagram.
func (s *Socket) ReadBatch(ms []Message) (int, error) { return s.batch.readBatch(ms) }

// WriteBatch tries to send every message and returns how many the socket took. The error is that of the
// first message it refused; the messages after it have been tried all the same, unless the socket is closed.
func (s *Socket) WriteBatch(ms []Message) (int, error) {
	var first error
	sent := 0
	for len(ms) > 0 {
		n, err := s.batch.writeBatch(ms)
		sent += n
		ms = ms[n:]
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		if errors.Is(err, net.ErrClosed) {
			break
		}
		ms = ms[min(1, len(ms)):]
	}
	return sent, first
}

// growBuffers asks for larger socket buffers; the kernel grants what its limits allow.
func growBuffers(conn net.PacketConn) {
	if c, ok := conn.(interface{ SetReadBuffer(int) error }); ok {
		c.SetReadBuffer(socketBuffer)
	}
	if c, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		c.SetWriteBuffer(socketBuffer)
	}
	if u, ok := conn.(*net.UDPConn); ok {
		forceBuffers(u)
	}
}

// addrPort converts what a net.PacketConn calls an address.
func addrPort(a net.Addr) (netip.AddrPort, error) {
	if a == nil {
		return netip.AddrPort{}, errors.New("no address")
	}
	if u, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		return unmap(u.AddrPort()), nil
	}
	ap, err := netip.ParseAddrPort(a.String())
	return unmap(ap), err
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
