// SPDX-License-Identifier: GPL-3.0-or-later

package agent

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"p2plive/bench/internal/transport"
)

const (
	// headerLen: when the message was due and its number, both repeated at its end.
	headerLen = 16
	// MinMessage is the least size of a message.
	MinMessage = 2 * headerLen
	// maxLate is how far a paced session falls behind before it leaves messages out, as a live source does.
	maxLate = time.Second
)

// Traffic says what the sessions send.
type Traffic struct {
	Message int     // bytes
	Rate    float64 // bit/s of each session; 0: as fast as it goes
	Seed    uint64  // of the phases in which paced sessions start
}

// Send makes every session that does not send yet do so until the agent ends.
func (a *Agent) Send(t Traffic, _ *Nothing) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	random := rand.New(rand.NewPCG(t.Seed, uint64(a.sending)))
	for _, s := range a.sessions[a.sending:] {
		if t.Rate == 0 {
			a.running.Go(func() { a.flow(s, t.Message) })
			continue
		}
		interval := time.Duration(float64(t.Message) * 8 / t.Rate * 1e9)
		phase := time.Duration(random.Float64() * float64(interval))
		a.running.Go(func() { a.pace(s, t.Message, interval, phase) })
	}
	a.sending = len(a.sessions)
	return nil
}

// flow sends as fast as the session takes it.
func (a *Agent) flow(s transport.Session, size int) {
	message := make([]byte, size)
	for seq := uint64(0); ; seq++ {
		stamp(message, now(), seq)
		if !a.send(s, message) {
			return
		}
	}
}

// pace sends a message each interval. The times at which messages are due do not move when sending takes
// long, so that their delay counts all of the waiting.
func (a *Agent) pace(s transport.Session, size int, interval, phase time.Duration) {
	message := make([]byte, size)
	due := now() + phase
	timer := time.NewTimer(phase)
	defer timer.Stop()
	for seq := uint64(0); ; seq++ {
		if wait := due - now(); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-a.ctx.Done():
				return
			}
		} else if wait < -maxLate {
			due += -wait / interval * interval
		}
		stamp(message, due, seq)
		if !a.send(s, message) {
			return
		}
		due += interval
	}
}

func (a *Agent) send(s transport.Session, message []byte) bool {
	if err := s.Send(a.ctx, message); err != nil {
		a.lost(err)
		return false
	}
	return true
}

// Receive makes every session that does not receive yet do so until the agent ends.
func (a *Agent) Receive(size int, _ *Nothing) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions[a.receiving:] {
		a.running.Go(func() { a.receive(s, size) })
	}
	a.receiving = len(a.sessions)
	return nil
}

func (a *Agent) receive(s transport.Session, size int) {
	for seq := uint64(0); ; seq++ {
		message, err := s.Receive(a.ctx, size)
		if err != nil {
			a.lost(err)
			return
		}
		due, ok := check(message, seq)
		if !ok {
			a.lost(errors.New("a message came wrong or out of order"))
			return
		}
		a.meter.received(len(message), now()-due)
	}
}

// lost notes a session that has ended before the agent.
func (a *Agent) lost(err error) {
	if a.ctx.Err() == nil {
		a.meter.lost(err)
	}
}

// stamp writes the same header at both ends of a message.
func stamp(message []byte, due time.Duration, seq uint64) {
	binary.BigEndian.PutUint64(message, uint64(due))
	binary.BigEndian.PutUint64(message[8:], seq)
	copy(message[len(message)-headerLen:], message[:headerLen])
}

// check reads the header and tells whether the message is the expected one, from end to end.
func check(message []byte, seq uint64) (due time.Duration, ok bool) {
	if len(message) < MinMessage {
		return 0, false
	}
	ok = string(message[:headerLen]) == string(message[len(message)-headerLen:]) &&
		binary.BigEndian.Uint64(message[8:]) == seq
	return time.Duration(binary.BigEndian.Uint64(message)), ok
}
