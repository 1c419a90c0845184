// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"testing"

	"github.com/xtaci/kcp-go/v5"
)

// The time of a segment through both cores with its share of an acknowledgement: 8 KiB messages, 20 in flight.
func BenchmarkSegment(b *testing.B) {
	const batch, size = 20, 7 * testPayload
	msg := numbered(0, 0, size)
	h := Header{Conv: 7, Cmd: CmdTell, Window: testWindow}
	nothing := h.append(nil, false)
	b.Run("arq", func(b *testing.B) {
		x, y := newOwn(true), newOwn(true)
		now, out := second, make([]byte, HeaderLen+testPayload)
		b.ReportAllocs()
		for n := 0; n < b.N; n += 7 * batch {
			for range batch {
				x.Send(msg, 0)
			}
			now += 100
			for x.Ready(now) {
				k, _ := x.Next(now, out)
				y.Input(now, out[:k])
			}
			for y.Readable() {
				y.Recv()
			}
			x.Input(now, y.AppendControl(out[:0], len(out)))
		}
		if b.N > 1000 && x.Waiting() > 0 {
			b.Fatal("not all was acknowledged")
		}
	})
	b.Run("kcp-go", func(b *testing.B) {
		x, y := newOther(), newOther()
		var toX, toY [][]byte
		var pool [][]byte
		put := func(q *[][]byte, d []byte) {
			buf := make([]byte, 0)
			if n := len(pool); n > 0 {
				buf, pool = pool[n-1], pool[:n-1]
			}
			*q = append(*q, append(buf[:0], d...))
		}
		x.emit = func(d []byte) { put(&toY, d) }
		y.emit = func(d []byte) { put(&toX, d) }
		in := make([]byte, size)
		b.ReportAllocs()
		b.ResetTimer()
		for n := 0; n < b.N; n += 7 * 2000 { // large batches: its first flush waits for a timer
			for range 2000 {
				x.Send(msg)
			}
			for x.WaitSnd() > 0 {
				x.Update()
				for len(toY) > 0 || len(toX) > 0 {
					for _, d := range toY {
						y.Input(d, kcp.IKCP_PACKET_REGULAR, false)
						pool = append(pool, d)
					}
					toY = toY[:0]
					y.Input(nothing[:], kcp.IKCP_PACKET_REGULAR, true) // acknowledges
					for y.PeekSize() > 0 {
						y.Recv(in)
					}
					for _, d := range toX {
						x.Input(d, kcp.IKCP_PACKET_REGULAR, false)
						pool = append(pool, d)
					}
					toX = toX[:0]
				}
			}
		}
	})
}
