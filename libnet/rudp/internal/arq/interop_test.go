// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// other is the core of kcp-go. It has its own clock: its tests run in virtual time.
type other struct {
	*kcp.KCP
	emit func([]byte)
	now  Time
}

func newOther() *other {
	o := &other{}
	o.KCP = kcp.NewKCP(7, func(b []byte, n int) { o.emit(b[:n]) })
	o.NoDelay(1, 10, 2, 1)
	o.WndSize(200, testWindow)
	o.SetMtu(HeaderLen + testPayload)
	return o
}

func (o *other) send(_ Time, msg []byte) bool { return o.WaitSnd() < 1000 && o.Send(msg) == 0 }

func (o *other) input(now Time, b []byte) {
	if o.Input(b, kcp.IKCP_PACKET_REGULAR, true) != 0 {
		panic("kcp-go refuses a datagram")
	}
}

func (o *other) flush(now Time, emit func([]byte)) {
	o.emit, o.now = emit, now
	o.Update()
}

func (o *other) next() Time { return o.now + 10*millisecond }

func (o *other) recv() ([]byte, bool) {
	n := o.PeekSize()
	if n < 0 {
		return nil, false
	}
	b := make([]byte, n)
	o.Recv(b)
	return b, true
}

func (o *other) waiting() int { return o.WaitSnd() }

// kcp-go's core understands this one and the other way round, over every path.
func TestTalksToKCP(t *testing.T) {
	for _, tt := range badPaths {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newOwn(false), newOther()
				l := newLine(t, 1, a, b, tt.path)
				b.emit = l.emit(1)
				l.sleep = func(d Time) { time.Sleep(time.Duration(d) * time.Microsecond) }
				l.transfer(200, 10_000)
				t.Logf("%v, %+v", l.now-second, a.Stats())
				checkBounds(t, a.Core)
			})
		})
	}
}
