// SPDX-License-Identifier: GPL-3.0-or-later

package rudp

import (
	"encoding/binary"
	"math"
	"net"
	"sync/atomic"
	"time"

	"p2plive/libnet/simnet"
)

// cubicSegment is a full TCP segment with its headers; as a datagram, the link adds those of IP and UDP.
const cubicSegment = 1500

// cubic is an upload by a simple TCP with CUBIC (RFC 9438) and selective acknowledgements, as datagrams.
type cubic struct {
	pc        net.PacketConn
	to        net.Addr
	delivered atomic.Int64 // segments

	cwnd, ssthresh, wMax, k float64
	epoch                   time.Time
	srtt                    time.Duration
	next, recover           uint64
	line                    []*cubicSent
	bySeq                   map[uint64]*cubicSent
	inFlight                int
}

type cubicSent struct {
	seq  uint64
	at   time.Time
	gone bool
}

// tcp runs an upload between two hosts until the world's context ends.
func (w *linkWorld) tcp(from, to *simnet.Host) *cubic {
	w.t.Helper()
	open := func(h *simnet.Host) net.PacketConn {
		pc, err := h.ListenPacket(80)
		if err != nil {
			w.t.Fatal(err)
		}
		w.running.Go(func() {
			<-w.ctx.Done()
			pc.Close()
		})
		return pc
	}
	c := &cubic{
		pc: open(from), to: net.UDPAddrFromAddrPort(addrOf(to, 80)),
		cwnd: 10, ssthresh: math.Inf(1), bySeq: map[uint64]*cubicSent{},
	}
	server := open(to)
	w.running.Go(func() { // acknowledges each segment by its number
		buf := make([]byte, 2048)
		for {
			n, addr, err := server.ReadFrom(buf)
			if err != nil || n < 8 {
				return
			}
			c.delivered.Add(1)
			server.WriteTo(buf[:8], addr)
		}
	})
	w.running.Go(c.run)
	return c
}

func (c *cubic) run() {
	buf := make([]byte, 2048)
	for {
		c.fill()
		c.pc.SetReadDeadline(time.Now().Add(max(2*c.srtt, 200*time.Millisecond)))
		n, _, err := c.pc.ReadFrom(buf)
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			for _, s := range c.line {
				c.lost(s)
			}
			c.line, c.cwnd = c.line[:0], 2
			continue
		}
		if err != nil || n < 8 {
			return
		}
		c.acked(binary.BigEndian.Uint64(buf))
	}
}

func (c *cubic) fill() {
	buf := make([]byte, cubicSegment-headers)
	for float64(c.inFlight) < c.cwnd {
		c.next++
		binary.BigEndian.PutUint64(buf, c.next)
		s := &cubicSent{seq: c.next, at: time.Now()}
		c.line, c.bySeq[s.seq] = append(c.line, s), s
		c.inFlight++
		if _, err := c.pc.WriteTo(buf, c.to); err != nil {
			return
		}
	}
}

func (c *cubic) acked(seq uint64) {
	s := c.bySeq[seq]
	if s == nil {
		return
	}
	delete(c.bySeq, seq)
	rtt := time.Since(s.at)
	if c.srtt == 0 {
		c.srtt = rtt
	}
	c.srtt += (rtt - c.srtt) / 8
	if !s.gone {
		s.gone = true
		c.inFlight--
		c.grow()
	}
	for len(c.line) > 0 && (c.line[0].gone || c.line[0].seq+3 <= seq) {
		c.lost(c.line[0])
		c.line = c.line[1:]
	}
}

func (c *cubic) grow() {
	if c.cwnd < c.ssthresh {
		c.cwnd++
		return
	}
	if c.epoch.IsZero() {
		c.epoch = time.Now()
		c.wMax = max(c.wMax, c.cwnd)
		c.k = math.Cbrt((c.wMax - c.cwnd) / 0.4)
	}
	since := time.Since(c.epoch)
	at := (since + c.srtt).Seconds() - c.k
	target := min(max(c.wMax+0.4*at*at*at, c.cwnd), 1.5*c.cwnd)
	reno := c.wMax*0.7 + 0.529*since.Seconds()/c.srtt.Seconds()
	target = max(target, min(reno, c.cwnd+1))
	c.cwnd += (target - c.cwnd) / c.cwnd
}

func (c *cubic) lost(s *cubicSent) {
	if s.gone {
		return
	}
	s.gone = true
	c.inFlight--
	if s.seq > c.recover {
		c.recover, c.epoch = c.next, time.Time{}
		c.wMax = c.cwnd
		c.cwnd = max(0.7*c.cwnd, 2)
		c.ssthresh = c.cwnd
	}
}
