// SPDX-License-Identifier: GPL-3.0-or-later

package sim

import (
	"math/bits"
	"time"
)

// player judges what a viewer gets. Its clock is set when it has settled: a
// piece is shown a buffer after the quickest piece until then would have been.
type player struct {
	began   bool
	settled bool
	first   time.Duration          // when the first picture was there
	base    time.Duration          // the quickest piece's lag until it settled
	due     time.Duration          // a piece is on time this long after its cut
	offset  time.Duration          // a piece is shown this long after its cut: due, and all stalls
	judged  uint32                 // pieces below were judged
	inTime  [judgeSpan / 64]uint64 // bit i stands for piece judged+i

	expected, onTime uint64 // pieces
	missed, stalls   uint32
	stalled          time.Duration
}

const judgeSpan = 256 // pieces between the oldest unjudged and the newest

// live notes a piece that has come for the first time.
func (p *player) live(k *worker, seq uint32) {
	w, now := k.w, k.now
	lag := now - w.cutAt(seq)
	if !p.began {
		return
	}
	if !p.settled {
		if w.cutAt(seq) >= p.first {
			p.base = min(p.base, lag)
		}
		if now-p.first < settle || p.base == never {
			return
		}
		p.settled = true
		p.due = p.base + w.sc.Buffer
		p.offset = p.due
		p.judged = w.firstAfter(max(now, w.sc.Warmup))
	}
	k.m.lagNow.add(lag)
	p.judge(w, now)
	if d := int64(seq) - int64(p.judged); d >= 0 && d < judgeSpan && lag <= p.due {
		p.inTime[d/64] |= 1 << (d % 64)
	}
}

// judge looks at the pieces whose time has come.
func (p *player) judge(w *world, now time.Duration) {
	if !p.settled {
		return
	}
	for w.cutAt(p.judged)+p.due <= now {
		n := uint32(1)
		if w.cutAt(p.judged+64)+p.due <= now {
			n = 64
		}
		p.expected += uint64(n)
		p.onTime += uint64(bits.OnesCount64(p.inTime[0] & (1<<n - 1)))
		p.shift(n)
		p.judged += n
	}
}

func (p *player) shift(n uint32) {
	for i := range p.inTime {
		v := p.inTime[i] >> n
		if i+1 < len(p.inTime) {
			v |= p.inTime[i+1] << (64 - n)
		}
		p.inTime[i] = v
	}
}

// deliver shows the next fragment. A late one stops the picture until it is
// there, and all after it are shown later by as much.
func (p *player) deliver(k *worker, o *peer, seq uint32) {
	w, now := k.w, k.now
	if !p.began {
		p.began, p.first, p.base = true, now, never
		if o.came >= w.firstsFrom {
			k.m.first.add(now - o.came)
		}
	}
	if late := now - w.cutAt(seq) - p.offset; p.settled && late > 0 {
		p.offset += late
		if now >= w.sc.Warmup {
			p.stalls++
			p.stalled += late
			if o.came < w.firstsFrom {
				k.m.early++
			}
		}
	}
}

// miss skips a fragment that never came.
func (p *player) miss(k *worker) {
	if p.settled && k.now >= k.w.sc.Warmup {
		p.missed++
	}
}
