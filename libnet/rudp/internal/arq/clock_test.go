// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import (
	"fmt"
	"testing"
)

// jumper is an end whose clock jumps ahead, as that of a machine does that was asleep or stopped.
type jumper struct {
	*own
	jumps  map[Time]Time // by how much, at the line's times
	offset Time
}

func (j *jumper) clock(now Time) Time {
	for at, by := range j.jumps {
		if now >= at {
			j.offset += by
			delete(j.jumps, at)
		}
	}
	return now + j.offset
}

func (j *jumper) send(now Time, msg []byte) bool      { return j.own.send(j.clock(now), msg) }
func (j *jumper) input(now Time, b []byte)            { j.own.input(j.clock(now), b) }
func (j *jumper) flush(now Time, emit func(b []byte)) { j.own.flush(j.clock(now), emit) }
func (j *jumper) next() Time {
	at := j.own.next()
	if at == 0 {
		return 0
	}
	return max(at-j.offset, 1)
}

// A clock that jumps, by a little or by more than time stamps hold, costs some repetitions, and no message.
func TestClockJumps(t *testing.T) {
	for _, by := range []Time{300 * ms, 10 * second, 7200 * second} {
		for _, loss := range []float64{0, 0.05} {
			t.Run(fmt.Sprintf("%ds/loss %v", by/second, loss), func(t *testing.T) {
				jumps := map[Time]Time{}
				for i := range Time(8) {
					jumps[second+(100+170*i)*ms] = by
				}
				a, b := &jumper{own: newOwn(true), jumps: jumps}, newOwn(true)
				l := newLine(t, 1, a, b, path{delay: 25 * ms, loss: loss})
				a.limit, b.limit = 40, 40
				l.transfer(200, 20_000)
				if len(jumps) > 0 {
					t.Fatal("it was over before the last jump")
				}
				checkBounds(t, a.Core)
				checkBounds(t, b.Core)
				s := a.Stats()
				t.Logf("%v, %+v", l.now-second, s)
				if again := float64(s.Again+s.Copies) / float64(s.Sent); again > 0.1+3*loss {
					t.Errorf("%.2f of the segments are repetitions", again)
				}
			})
		}
	}
}
