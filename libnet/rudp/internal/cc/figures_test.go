// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// path is a bottleneck of a rate in Mbit/s, a round trip of rtt and a queue of a duration.
func path(s *sim, mbit float64, rtt, queue time.Duration, loss float64) *link {
	l := &link{sim: s, rate: mbit * 1e6, delay: rtt / 2, loss: loss}
	l.queue = int(l.rate / 8 * queue.Seconds())
	l.last, l.since = s.now, s.now
	l.watch()
	return l
}

func percentile(d []time.Duration, p float64) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(int(p*float64(len(d))), len(d)-1)]
}

func TestBulk(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.03, 0.05, 0.1} {
		t.Run(fmt.Sprintf("loss %v", loss), func(t *testing.T) {
			s := newSim(1)
			l := path(s, 50, 50*ms, 50*ms, loss)
			f := newFlow(l, Home())
			s.run(20 * time.Second)
			rate := float64(f.goodput) * 8 / 20e6
			t.Logf("goodput %.1f Mbit/s, wire x%.3f (headers %.3f), queue mean %v p95 %v, drops %d, est %.1f loss %.4f win %d",
				rate, f.cost(), float64(flowSize)/flowPayload, l.standing(), percentile(l.delays, .95), l.dropped, f.ctl.rate.max()*8e-6, f.ctl.loss, f.ctl.Window())
		})
	}
}

func TestHome(t *testing.T) {
	for _, queue := range []time.Duration{100 * ms, 500 * ms} {
		for seed := range uint64(10) {
			s := newSim(seed)
			l := path(s, 5, 50*ms, queue, 0)
			var flows []*flow
			h := newHost(s)
			for range 4 {
				s.run(time.Duration(s.rand.IntN(300)) * ms)
				f := newFlow(l, Home())
				h.add(f, Newest)
				flows = append(flows, f)
			}
			s.run(20 * time.Second)
			good, wire := 0, 0
			var each []float64
			for _, f := range flows {
				good += f.goodput
				wire += f.wire
				each = append(each, float64(f.goodput))
			}
			t.Logf("queue %v seed %d: usage %.3f cost %.3f mean %v p95 %v peak %v jain %.3f drops %d", queue, seed, l.usage(), float64(wire)/float64(good)/(float64(flowSize)/flowPayload), l.standing(), percentile(l.delays, .95), time.Duration(float64(l.peak)*8/l.rate*1e9), jain(each), l.dropped)
		}
	}
}

func jain(x []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += v
		squares += v * v
	}
	return sum * sum / float64(len(x)) / squares
}

func TestFairness(t *testing.T) {
	for _, mbit := range []float64{5, 20, 50, 200} {
		for _, spread := range []int{1, 3000} {
			for seed := range uint64(3) {
				s := newSim(seed)
				l := path(s, mbit, 50*ms, 100*ms, 0)
				var flows []*flow
				for range 8 {
					s.run(time.Duration(s.rand.IntN(spread)) * ms)
					flows = append(flows, newFlow(l, Home()))
				}
				s.run(10 * time.Second)
				l.measure()
				for _, f := range flows {
					f.measure()
				}
				s.run(5 * time.Second)
				var each []float64
				str := ""
				for _, f := range flows {
					each = append(each, float64(f.goodput))
					str += fmt.Sprintf(" %.2f/%v", float64(f.goodput)*8/5e6, (f.ctl.rttBase.least - 50*ms).Round(ms/10))
				}
				t.Logf("%v Mbit/s spread %d seed %d: jain %.3f usage %.3f mean %v:%s", mbit, spread, seed, jain(each), l.usage(), l.standing(), str)
			}
		}
	}
}

func TestBesideTCP(t *testing.T) {
	for _, queue := range []time.Duration{30 * ms, 100 * ms, 500 * ms} {
		for _, tcpFirst := range []bool{true, false} {
			for _, n := range []int{1, 4} {
				s := newSim(1)
				l := path(s, 5, 50*ms, queue, 0)
				var c *tcp
				var flows []*flow
				add := func() {
					for range n {
						flows = append(flows, newFlow(l, Home()))
					}
				}
				if tcpFirst {
					c = newTCP(l)
				} else {
					add()
				}
				s.run(5 * time.Second)
				if tcpFirst {
					add()
				} else {
					c = newTCP(l)
				}
				s.run(3 * time.Second)
				c.delivered = 0
				l.measure()
				s.run(30 * time.Second)
				t.Logf("queue %v tcpFirst %v n %d: TCP %.3f of usage %.3f, queue %v", queue, tcpFirst, n,
					float64(c.delivered)*tcpSize/tcpPayload*8/30/l.rate, l.usage(), l.standing())
			}
		}
	}
}

func TestSteps(t *testing.T) {
	s := newSim(1)
	l := path(s, 10, 50*ms, 500*ms, 0)
	f := newFlow(l, Home())
	s.run(10 * time.Second)
	show := func(what string) {
		t.Log(what)
		for range 20 {
			f.measure()
			l.measure()
			s.run(100 * ms)
			t.Logf("  %.2f Mbit/s queue %v win %d %v thr %v srtt %v base+%v loss %.3f", float64(f.goodput)*8/.1e6, l.standing(), f.ctl.Window(), f.ctl.starting, f.ctl.threshold, f.ctl.srtt, f.ctl.rttBase.least-50*ms, f.ctl.loss)
		}
	}
	l.rate = 2e6
	show("10->2")
	l.rate = 10e6
	show("2->10")
	l.dead = true
	s.run(3 * time.Second)
	l.dead = false
	show("blackout")
}
