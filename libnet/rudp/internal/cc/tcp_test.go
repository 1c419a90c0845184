// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"math"
	"time"
)

const (
	tcpSize    = 1500
	tcpPayload = 1448
)

// tcp is a bulk upload with CUBIC (RFC 9438) and selective acknowledgements.
type tcp struct {
	*link
	cwnd, ssthresh, wMax, k float64 // packets
	epoch                   time.Duration
	inEpoch                 bool
	srtt                    time.Duration
	recover                 uint64 // end of the recovery period
	next                    uint64
	line                    []*transmission
	inFlight                int
	timer                   uint64
	delivered               int
	stopped                 bool
}

func newTCP(l *link) *tcp {
	t := &tcp{link: l, cwnd: 10, ssthresh: math.Inf(1)}
	t.after(0, t.pump)
	return t
}

func (t *tcp) pump() {
	for !t.stopped && float64(t.inFlight) < t.cwnd {
		t.next++
		p := &transmission{order: t.next, at: t.now}
		t.line = append(t.line, p)
		t.inFlight++
		t.link.send(tcpSize, func() {
			t.delivered += tcpPayload
			t.after(t.delay, func() {
				if !t.dead {
					t.acked(p)
				}
			})
		})
		t.arm()
	}
}

func (t *tcp) acked(p *transmission) {
	rtt := t.now - p.at
	if t.srtt == 0 {
		t.srtt = rtt
	}
	t.srtt += (rtt - t.srtt) / 8
	if !p.gone {
		p.gone = true
		t.inFlight--
		t.grow()
	}
	for len(t.line) > 0 && (t.line[0].gone || t.line[0].order+3 <= p.order) {
		t.lost(t.line[0])
		t.line = t.line[1:]
	}
	t.arm()
	t.pump()
}

func (t *tcp) grow() {
	if t.cwnd < t.ssthresh {
		t.cwnd++
		return
	}
	if !t.inEpoch {
		t.inEpoch, t.epoch = true, t.now
		t.wMax = max(t.wMax, t.cwnd)
		t.k = math.Cbrt((t.wMax - t.cwnd) / 0.4)
	}
	at := (t.now - t.epoch + t.srtt).Seconds() - t.k
	target := min(max(t.wMax+0.4*at*at*at, t.cwnd), 1.5*t.cwnd)
	reno := t.wMax*0.7 + 0.529*(t.now-t.epoch).Seconds()/t.srtt.Seconds() // friendly region
	target = max(target, min(reno, t.cwnd+1))
	t.cwnd += (target - t.cwnd) / t.cwnd
}

func (t *tcp) lost(p *transmission) {
	if p.gone {
		return
	}
	p.gone = true
	t.inFlight--
	if p.order > t.recover {
		t.recover = t.next
		t.inEpoch = false
		t.wMax = t.cwnd
		t.cwnd = max(0.7*t.cwnd, 2)
		t.ssthresh = t.cwnd
	}
}

func (t *tcp) arm() {
	t.timer++
	mine := t.timer
	if t.inFlight == 0 {
		return
	}
	t.after(max(2*t.srtt, 200*time.Millisecond), func() {
		if t.timer != mine {
			return
		}
		for _, p := range t.line {
			t.lost(p)
		}
		t.line = t.line[:0]
		t.cwnd = 2
		t.pump()
	})
}
