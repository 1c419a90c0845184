// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import "time"

const (
	flowPayload = 1164 // of a message in a full datagram
	flowSize    = 1232 + 28
)

// flow is a sender with a controller, an ARQ that finds losses by later acknowledgements and timeouts, and
// its receiver.
type flow struct {
	*link
	ctl      Controller
	skew     time.Duration // of the receiver's clock
	epoch    time.Duration // of this host's clock
	jitter   time.Duration // of the way back
	lastBack time.Duration
	drift    float64 // by how much it runs fast
	oneWay   bool
	rate     float64 // of the application, bytes/s; 0: always has data
	start    time.Duration
	pacer    func(f *flow) // asks the host's pacer instead of sending at once
	onAck    func(bytes int)

	next     uint64 // new data
	order    uint64 // transmissions
	sent     map[uint64]*transmission
	line     []*transmission // in order of sending
	again    []uint64
	inFlight int
	got      map[uint64]bool
	paced    time.Duration
	armed    bool
	timer    uint64
	backoff  int
	lastRecv time.Duration

	wire, goodput int // bytes since the last look
	rtts          []time.Duration
	stopped       bool
}

type transmission struct {
	seq, order uint64
	at         time.Duration
	again      bool
	gone       bool // acknowledged or lost
}

func newFlow(l *link, cfg Config) *flow {
	f := &flow{link: l, ctl: New(cfg, l.now), start: l.now, oneWay: true, skew: -3 * time.Hour,
		sent: map[uint64]*transmission{}, got: map[uint64]bool{}}
	f.after(0, f.pump)
	return f
}

// clock is what the controller is told.
func (f *flow) clock() time.Duration { return f.now + f.epoch }

// hasData tells whether there is something to send.
func (f *flow) hasData() bool {
	if f.stopped {
		return false
	}
	return len(f.again) > 0 || f.rate == 0 || float64(f.next)*flowPayload < (f.now-f.start).Seconds()*f.rate
}

// oldest is when the application had what is sent next.
func (f *flow) oldest() uint64 {
	if f.rate == 0 {
		return 0
	}
	next := f.next
	if len(f.again) > 0 {
		next = f.again[0]
	}
	return uint64(f.start + time.Duration(float64(next)*flowPayload/f.rate*1e9))
}

func (f *flow) pump() {
	if f.pacer != nil {
		f.pacer(f)
		return
	}
	for f.hasData() && f.ctl.CanSend(f.inFlight) {
		if f.paced > f.now {
			f.wake(f.paced)
			return
		}
		f.transmit()
		f.paced = max(f.paced, f.now-time.Millisecond) + time.Duration(1232/f.ctl.PacingRate()*1e9)
	}
	if f.rate > 0 && !f.hasData() {
		f.wake(f.now + time.Duration(flowPayload/f.rate*1e9))
	}
}

func (f *flow) wake(t time.Duration) {
	if f.armed {
		return
	}
	f.armed = true
	f.at(t, func() { f.armed = false; f.pump() })
}

// transmit sends one packet, a lost one first.
func (f *flow) transmit() {
	var seq uint64
	again := len(f.again) > 0
	if again {
		seq, f.again = f.again[0], f.again[1:]
		if f.got[seq] && f.sent[seq] == nil { // acknowledged in the meantime
			return
		}
	} else {
		seq = f.next
		f.next++
	}
	f.order++
	t := &transmission{seq: seq, order: f.order, at: f.now, again: again}
	f.sent[seq] = t
	f.line = append(f.line, t)
	f.inFlight += 1232
	f.wire += flowSize
	f.ctl.OnSent(f.clock(), 1232, f.inFlight)
	f.link.send(flowSize, func() { f.receive(t) })
	f.arm()
}

// receive is the far end.
func (f *flow) receive(t *transmission) {
	if !f.got[t.seq] {
		f.got[t.seq] = true
		f.goodput += flowPayload
		f.lastRecv = f.now
	}
	arrival := f.now + f.skew + time.Duration(f.drift*float64(f.now-f.start))
	back := f.delay
	if f.jitter > 0 {
		back += time.Duration(f.rand.Int64N(int64(f.jitter)))
		back = max(back, f.lastBack-f.now) // in order
		f.lastBack = f.now + back
	}
	f.after(back, func() {
		if !f.dead {
			f.acked(t, arrival)
		}
	})
}

func (f *flow) acked(t *transmission, arrival time.Duration) {
	f.backoff = 0
	ack := Ack{}
	if !t.gone {
		t.gone = true
		f.inFlight -= 1232
		ack.Bytes = 1232
	} else if s := f.sent[t.seq]; s != nil && s != t && !s.gone {
		f.ctl.OnSpurious(f.clock(), 1232)
	}
	delete(f.sent, t.seq)
	ack.RTT = f.now - t.at
	f.rtts = append(f.rtts, ack.RTT)
	if f.oneWay {
		ack.OneWay, ack.HasOneWay = arrival-t.at, true
	}
	for len(f.line) > 0 && (f.line[0].gone || f.line[0].order+3 <= t.order) {
		f.lost(f.line[0])
		f.line = f.line[1:]
	}
	f.ctl.OnAck(f.clock(), ack)
	if f.onAck != nil {
		f.onAck(ack.Bytes)
	}
	f.arm()
	f.pump()
}

func (f *flow) lost(t *transmission) {
	if t.gone {
		return
	}
	t.gone = true
	f.inFlight -= 1232
	f.again = append(f.again, t.seq)
	f.ctl.OnLost(f.clock(), 1232)
}

// arm starts the retransmission timer anew.
func (f *flow) arm() {
	f.timer++
	mine := f.timer
	if f.inFlight == 0 {
		return
	}
	rto := time.Second
	if f.ctl.srtt > 0 {
		rto = max(f.ctl.srtt+4*f.ctl.rttvar, 100*time.Millisecond) << f.backoff
		rto = min(rto, max(400*time.Millisecond, 2*f.ctl.srtt))
	}
	f.after(rto, func() {
		if f.timer != mine {
			return
		}
		f.backoff = min(f.backoff+1, 8)
		for _, t := range f.line {
			f.lost(t)
		}
		f.line = f.line[:0]
		f.paced = 0
		f.pump()
	})
}

// measure begins the counts anew.
func (f *flow) measure() { f.wire, f.goodput, f.rtts = 0, 0, nil }

func (f *flow) cost() float64 { return float64(f.wire) / float64(f.goodput) }
