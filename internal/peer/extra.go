// SPDX-License-Identifier: GPL-3.0-or-later

package peer

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// extraSocket is a further socket with a goroutine that reads it.
type extraSocket struct {
	pc   net.PacketConn
	wg   sync.WaitGroup
	gone bool // closed, or released; owned by its attempt's run
}

// newExtraSocket reads pc until close or release. What handle gets is its own to keep.
func newExtraSocket(pc net.PacketConn, handle func(s *extraSocket, b []byte, from netip.AddrPort)) *extraSocket {
	s := &extraSocket{pc: pc}
	s.wg.Go(func() {
		var buf [maxExtraDatagram]byte
		for failures := 0; failures < maxReadFailures; {
			n, from, err := pc.ReadFrom(buf[:])
			if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if err != nil { // some systems tell here that an earlier datagram met no listener
				failures++
				continue
			}
			if udp, ok := from.(*net.UDPAddr); ok {
				handle(s, append([]byte(nil), buf[:n]...), udp.AddrPort())
			}
		}
	})
	return s
}

func (s *extraSocket) close() {
	if s.gone {
		return
	}
	s.gone = true
	s.pc.Close()
	s.wg.Wait()
}

// release stops reading and gives the socket away; nil: it is gone already.
func (s *extraSocket) release() net.PacketConn {
	if s.gone {
		return nil
	}
	s.gone = true
	s.pc.SetReadDeadline(time.Unix(1, 0))
	s.wg.Wait()
	s.pc.SetReadDeadline(time.Time{})
	return s.pc
}
