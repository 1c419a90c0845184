// SPDX-License-Identifier: GPL-3.0-or-later

package cc

import (
	"math"
	"time"
)

// Controller bounds what one session has in flight on one path. A path change needs a new one.
type Controller struct {
	cfg    Config
	window float64 // bytes
	// threshold ends slow start after a pause: what the path could do before. 0: there is none.
	threshold float64
	starting  bool // slow start
	packets   int  // in the least window
	dead      bool // nothing comes back

	srtt, rttvar time.Duration
	rttBase      baseFilter
	oneWayBase   baseFilter
	rate         rateFilter
	loss         float64       // share of the packets, smoothed
	queue        time.Duration // of the last round, the line's with it
	own          time.Duration // the same without the line's
	line         time.Duration // how long datagrams wait for the host's line, which the pacer drains
	raw          time.Duration // of the newest sample above the base
	delay        time.Duration // the same without the line's
	brim         brim
	calm         int // rounds with nearly no queue, in a row
	hold         time.Duration

	lastSent, lastAck time.Duration
	sentSince         time.Duration // first packet sent after the last acknowledgement; 0: none
	inFlight          int
	most              int // in flight since the last slowdown
	slow              slowdown
	round             round
	shift             shift
}

// round collects what is seen within a round trip.
type round struct {
	start       time.Duration
	samples     int
	delay       time.Duration // least above the base, without the line's queue
	raw         time.Duration // the same with it
	rtt         time.Duration // least
	acked, lost int           // bytes
	limited     bool          // the window was full
	slowed      bool          // a slowdown fell into it
	lostNear    int           // of the bytes lost, when the delay was near its highest
	overflow    bool          // something was lost while the queue was as long as it gets
}

// Ack says what one acknowledgement, or a batch of them that came together, has brought.
type Ack struct {
	Bytes int           // of packets acknowledged for the first time
	RTT   time.Duration // of the newest of them that was sent once; 0: none
	// OneWay is the receiver's clock at arrival less the sender's clock at departure, for the same packet as
	// RTT. The clocks need not agree.
	OneWay    time.Duration
	HasOneWay bool
}

// New starts control of a path that nothing is known of.
func New(cfg Config, now time.Duration) Controller {
	c := Controller{
		cfg:      cfg,
		packets:  cfg.MinWindow / cfg.Datagram,
		window:   float64(cfg.InitialWindow),
		starting: true,
		lastSent: now,
		lastAck:  now,
	}
	c.rttBase.since, c.oneWayBase.since, c.rate.since = now, now, now
	c.slow.slot = now / slowdownInterval
	c.newRound(now)
	c.shift.reset(now)
	return c
}

// Window is how many bytes may be in flight.
func (c *Controller) Window() int {
	if c.slow.active {
		return int(c.slow.window)
	}
	return int(c.window)
}

// SetDatagram changes the size of a full packet in bytes. The least window holds as many of them as before: with one in
// flight its acknowledgement always waits for the next, which looks like a queue. Otherwise Config.Datagram stays the
// unit.
func (c *Controller) SetDatagram(bytes int) {
	c.cfg.MinWindow = c.packets * bytes
	c.window = max(c.window, float64(c.cfg.MinWindow))
}

// CanSend tells whether a further full packet may follow what is in flight.
func (c *Controller) CanSend(inFlight int) bool {
	return inFlight+c.cfg.Datagram <= max(c.Window(), c.cfg.Datagram)
}

// PacingRate is how fast the window may be used up, in bytes per second.
func (c *Controller) PacingRate() float64 {
	rtt, factor := c.srtt, pacingSteady
	if rtt == 0 {
		rtt = assumedRTT
	}
	if c.starting {
		factor = pacingStart
	}
	return factor * float64(c.Window()) / rtt.Seconds()
}

// SetLine says for how long datagrams wait for the host's line: that queue is of all sessions together, and the pacer
// drains it. What a session sees beyond it is in its own path.
func (c *Controller) SetLine(queue time.Duration) { c.line = queue }

// OnSent is called for each packet or batch sent, new or again. inFlight includes it; a packet that was
// declared lost is not in flight any more.
func (c *Controller) OnSent(now time.Duration, bytes, inFlight int) {
	c.advance(now)
	if now-c.lastSent > idleRestart {
		c.restart(now)
	}
	c.lastSent = now
	if c.sentSince == 0 {
		c.sentSince = now
	}
	c.inFlight = inFlight
	c.most = max(c.most, inFlight)
	c.checkLimited()
}

// checkLimited notes that it is the window that holds data back.
func (c *Controller) checkLimited() {
	if c.inFlight+2*c.cfg.Datagram > c.Window() {
		c.round.limited = true
	}
}

// OnAck is called once for each batch of acknowledgements.
func (c *Controller) OnAck(now time.Duration, a Ack) {
	if c.dead {
		c.restart(now)
		c.dead = false
	}
	c.advance(now)
	c.lastAck, c.sentSince = now, 0
	c.checkLimited()
	c.inFlight -= a.Bytes
	c.round.acked += a.Bytes
	if a.RTT > 0 {
		c.sample(now, a)
	}
	if c.starting {
		c.grow(a.Bytes)
	}
	c.join(now)
	if c.roundOver(now) {
		c.endRound(now)
	}
}

// roundOver tells whether there is enough to decide on: usually a round trip has passed.
func (c *Controller) roundOver(now time.Duration) bool {
	r := &c.round
	// A queue that is far too long is no reason to take longer to see it.
	usual := min(c.srtt, c.rttBase.least+heavyQueue*c.target())
	wait := max(usual, minRound)
	elapsed := now - r.start
	switch {
	case r.samples >= roundSamples && elapsed >= wait, r.samples > 0 && elapsed >= 2*wait:
		return true
	case c.starting && elapsed >= minRound: // RFC 9406 leaves slow start in the middle of a round
		return r.samples >= startSamples && r.delay > c.startLimit()
	}
	return false
}

// OnLost is called when packets are declared lost, by acknowledgements of later ones or by a timeout.
func (c *Controller) OnLost(now time.Duration, bytes int) {
	c.advance(now)
	if c.sentSince != 0 && now-max(c.lastAck, c.sentSince) >= deadTimeouts*c.timeout() {
		c.die()
		return
	}
	c.inFlight -= bytes
	c.noteLoss(bytes)
}

// noteLoss counts bytes that a queue or the path has lost.
func (c *Controller) noteLoss(bytes int) {
	c.round.lost += bytes
	near, overflow := c.brim.lost(c.delay, c.target())
	c.round.overflow = c.round.overflow || overflow
	if near {
		c.round.lostNear += bytes
	}
}

// OnRecovered is called when packets were lost and made good without a repetition: OnAck has them, too.
func (c *Controller) OnRecovered(now time.Duration, bytes int) {
	c.advance(now)
	c.noteLoss(bytes)
}

// OnSpurious takes back a loss: the packet has been acknowledged after all.
func (c *Controller) OnSpurious(now time.Duration, bytes int) {
	c.advance(now)
	c.round.lost = max(c.round.lost-bytes, 0)
}

// Estimates is what a controller knows of its path.
type Estimates struct {
	Uplink float64 // greatest delivery rate of the last 10 s, bytes per second
	Queue  time.Duration
	Delay  time.Duration // of the newest packet above the path's own
	MinRTT time.Duration // of the last minute; 0 before the first measurement
	RTT    time.Duration // smoothed
	Loss   float64       // share of the packets
}

// Estimates gives what is known of the path.
func (c *Controller) Estimates() Estimates {
	return Estimates{Uplink: c.rate.max(), Queue: c.queue, Delay: c.raw, MinRTT: c.rttBase.least, RTT: c.srtt, Loss: c.loss}
}

// sample takes a measured delay. Forward queueing cannot exceed that of the whole round trip, so the lesser
// of both is right when the reverse path is loaded, and when a clock has jumped.
func (c *Controller) sample(now time.Duration, a Ack) {
	if c.srtt == 0 {
		c.srtt, c.rttvar = a.RTT, a.RTT/2
	} else { // RFC 6298, section 2
		c.rttvar += ((c.srtt - a.RTT).Abs() - c.rttvar) / 4
		c.srtt += (a.RTT - c.srtt) / 8
	}
	delay := c.rttBase.add(now, a.RTT)
	if a.HasOneWay {
		delay = min(delay, c.oneWayBase.add(now, a.OneWay))
	}
	r := &c.round
	if r.samples == 0 || delay < r.raw {
		r.raw = delay
	}
	c.raw, c.delay = delay, max(delay-c.line, 0)
	c.brim.add(now, c.delay)
	if r.samples == 0 || c.delay < r.delay {
		r.delay = c.delay
	}
	if r.samples == 0 || a.RTT < r.rtt {
		r.rtt = a.RTT
	}
	r.samples++
}

func (c *Controller) newRound(now time.Duration) { c.round = round{start: now, slowed: c.slow.active} }

// timeout is RFC 6298's RTO, without its minimum of a second once there is a measurement.
func (c *Controller) timeout() time.Duration {
	if c.srtt == 0 {
		return initialTimeout
	}
	return max(c.srtt+4*c.rttvar, minTimeout)
}

// die is called when nothing comes back: probes only, until something does.
func (c *Controller) die() {
	if c.dead {
		return
	}
	c.remember()
	c.dead = true
	c.window = float64(c.cfg.MinWindow)
	c.slow.active = false
}

// remember keeps what the path could do for the slow start to come; one that was interrupted knows nothing.
func (c *Controller) remember() {
	if !c.starting && !c.dead {
		c.threshold = c.window
	}
}

// restart probes a path that was known before, up to what it could do then.
func (c *Controller) restart(now time.Duration) {
	c.remember()
	c.window = float64(c.cfg.InitialWindow)
	c.starting, c.calm, c.loss = true, 0, 0
	c.slow.active = false
	c.newRound(now)
}

// target is the queueing delay that a window of this size aims at.
func (c *Controller) target() time.Duration {
	packets := max(c.window/float64(c.cfg.Datagram), 1)
	scaled := time.Duration(float64(c.cfg.TargetScale) / math.Cbrt(packets))
	return min(max(scaled, c.cfg.TargetFloor), c.cfg.Target)
}

func (c *Controller) bound() {
	c.window = min(max(c.window, float64(c.cfg.MinWindow)), float64(c.cfg.MaxWindow))
}
