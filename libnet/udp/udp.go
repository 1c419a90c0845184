// SPDX-License-Identifier: GPL-3.0-or-later

// Package udp reads and writes UDP datagrams in batches: the only shape it has, so that system calls and the
// kernel's segmentation offloads are shared by many datagrams.
//
// On Linux a batch is one recvmmsg or sendmmsg. Datagrams of one size to one destination leave as one send
// (UDP_SEGMENT, "GSO"), and the kernel may merge those of one source on the way in (UDP_GRO). Both are
// probed when a socket is made and given up when the kernel refuses them later. Elsewhere, and for a
// net.PacketConn that is not a UDP socket, datagrams are read and written one at a time behind the same API.
package udp

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"os"
)

// Message is one datagram, or several of one source that the kernel merged. Addr is the peer it came from or
// goes to; IPv4 addresses are plain ones, never mapped into IPv6.
type Message struct {
	Buf  []byte
	Addr netip.AddrPort
	// SegmentSize is set by ReadBatch where Buf holds several datagrams: each has that many bytes but the
	// last, which may have fewer. Otherwise 0. Writes ignore it.
	SegmentSize int
}

// Datagrams gives the datagrams in Buf, in the order of their arrival and without copying. One longer than
// MaxDatagram is cut to MaxDatagram.
func (m Message) Datagrams() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		b := m.Buf
		if m.SegmentSize > 0 {
			for len(b) > m.SegmentSize {
				if !yield(cut(b[:m.SegmentSize])) {
					return
				}
				b = b[m.SegmentSize:]
			}
		}
		yield(cut(b))
	}
}

// cut also takes away the capacity, so that an append does not reach into the next datagram.
func cut(b []byte) []byte {
	n := min(len(b), MaxDatagram)
	return b[:n:n]
}

// count is the number of datagrams in Buf.
func (m Message) count() int {
	if m.SegmentSize <= 0 || len(m.Buf) <= m.SegmentSize {
		return 1
	}
	return (len(m.Buf) + m.SegmentSize - 1) / m.SegmentSize
}

// Config of a Socket. The zero value uses all that the system offers.
type Config struct {
	// NoOffload keeps the kernel from merging datagrams in either direction (GSO, GRO).
	NoOffload bool
	// NoBatch reads and writes one datagram per system call; it implies NoOffload.
	NoBatch bool
}

// batcher moves datagrams for one kind of socket.
type batcher interface {
	// readBatch waits for at least one datagram; without wait it gives none if none is there, or if it cannot
	// know.
	readBatch(ms []Message, wait bool) (int, error)
	// writeBatch tries every message, unless the socket is closed; it gives the number that were sent and
	// the first error.
	writeBatch(ms []Message) (int, error)
	// writeWhole sends a datagram that must not be fragmented; writesWhole tells whether it can.
	writeWhole(m Message) error
	writesWhole() bool
	// offload tells what the socket merges at present.
	offload() (gso, gro bool)
}

// Socket is a datagram socket with batched reads and writes.
//
// One goroutine may read, any number may write at the same time.
type Socket struct {
	conn     net.PacketConn
	batch    batcher
	local    netip.AddrPort
	counters *counters
}

// Listen opens a UDP socket at an address such as ":7100" or "127.0.0.1:0".
func Listen(address string) (*Socket, error) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	s, err := New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// New is NewConfig with the zero Config.
func New(conn net.PacketConn) (*Socket, error) { return NewConfig(conn, Config{}) }

// NewConfig takes ownership of conn and asks for larger socket buffers. A *net.UDPConn that is not connected
// gets batches and offloads where the system has them; any other net.PacketConn is read and written one
// datagram at a time.
func NewConfig(conn net.PacketConn, cfg Config) (*Socket, error) {
	local, err := addrPort(conn.LocalAddr())
	if err != nil {
		return nil, fmt.Errorf("local address: %w", err)
	}
	s := &Socket{conn: conn, local: local, counters: new(counters)}
	growBuffers(conn)
	if u, ok := conn.(*net.UDPConn); ok && !cfg.NoBatch {
		s.batch, err = newBatcher(u, cfg, s.counters)
		if err != nil {
			return nil, err
		}
	} else {
		s.batch = newSingle(conn, s.counters)
	}
	return s, nil
}

// LocalAddr is the address the socket is bound to; its IP is unspecified when bound to all of them.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close closes the socket. A ReadBatch or WriteBatch that waits returns net.ErrClosed.
func (s *Socket) Close() error { return s.conn.Close() }

// ReadBatch waits for datagrams and fills up to len(ms) messages. Each Buf then points into memory of the
// socket that is valid until the next ReadBatch; the reader may overwrite it. With GRO a message may hold
// several datagrams: see Message.Datagrams. A datagram longer than MaxDatagram is cut to MaxDatagram.
//
// Errors that the system reports for one destination, such as a refused datagram, do not end the reading:
// they are counted and passed over, up to a bound.
func (s *Socket) ReadBatch(ms []Message) (int, error) { return s.readBatch(ms, true) }

// ReadMore is ReadBatch that does not wait: it gives what has come meanwhile, which may be nothing. It always is where
// the system has no such read.
func (s *Socket) ReadMore(ms []Message) (int, error) { return s.readBatch(ms, false) }

func (s *Socket) readBatch(ms []Message, wait bool) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	for failed := 1; ; failed++ {
		n, err := s.batch.readBatch(ms, wait)
		if n == 0 && err == nil {
			return 0, nil
		}
		if err == nil {
			s.counters.countRead(ms[:n])
			return n, nil
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		s.counters.readErrors.Add(1)
		if failed >= maxReadErrors {
			return 0, err
		}
	}
}

// WriteBatch tries to send every message and returns how many the socket took. The error is that of the
// first message it refused; the messages after it have been tried all the same, unless the socket is closed. With
// ErrTooLong it has taken all.
//
// Consecutive messages of equal size to one destination, the last of which may be shorter, are merged into
// one send where the system can, which costs least when their buffers follow one another in memory. Messages
// to one destination keep their order.
func (s *Socket) WriteBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	sent, err := s.batch.writeBatch(ms)
	s.counters.datagramsOut.Add(uint64(sent))
	if sent < len(ms) {
		s.counters.writeErrors.Add(uint64(len(ms) - sent))
	}
	return sent, err
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
