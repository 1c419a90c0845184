// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// fill prepares headers for messages from the front of ms, as many as fit, and gives their number: 0 if the
// first message goes to an address that has no form here. Messages before alone are not merged.
func (w *writer) fill(ms []Message, alone int) int {
	headers, at, iovecs := 0, 0, 0
	for at < len(ms) && at < maxBatch {
		to := ms[at].Addr
		if to.Addr().Zone() != "" {
			break
		}
		length := w.names[headers].set(to, w.is6)
		if length == 0 {
			break
		}
		n := 1
		if at >= alone && w.merges.Load() {
			n = mergeable(ms[at:min(len(ms), maxBatch)])
		}
		h := &w.headers[headers].Hdr
		h.Namelen = length
		h.Iov = &w.iovecs[iovecs]
		used := gather(w.iovecs[iovecs:], ms[at:at+n])
		h.SetIovlen(used)
		iovecs += used
		h.Control = nil
		h.SetControllen(0)
		if n > 1 {
			c := &w.controls[headers]
			h.SetControllen(c.setSegmentSize(len(ms[at].Buf)))
			h.Control = (*byte)(unsafe.Pointer(c))
		}
		w.holds[headers] = n
		headers++
		at += n
	}
	return headers
}

// gather describes messages that leave as one, and gives the number of vectors used. Buffers that follow one another
// in memory share one: for a full batch that saves a sixth of the CPU time of sending and receiving.
func gather(iovecs []unix.Iovec, ms []Message) int {
	n := 0
	var end uintptr // of the last vector; only compared
	for i := range ms {
		base, length := unsafe.SliceData(ms[i].Buf), len(ms[i].Buf)
		start := uintptr(unsafe.Pointer(base))
		if n > 0 && start == end {
			v := &iovecs[n-1]
			v.SetLen(int(v.Len) + length)
		} else {
			iovecs[n].Base = base
			iovecs[n].SetLen(length)
			n++
		}
		end = start + uintptr(length)
	}
	return n
}

// mergeable is how many messages from the front of ms can leave as one: they have the same destination and
// size, but for the last one, which may be shorter.
func mergeable(ms []Message) int {
	to, size := ms[0].Addr, len(ms[0].Buf)
	if size == 0 || size > MaxDatagram {
		return 1
	}
	n := 1
	for n < min(len(ms), maxSegments, maxMerged/size) && ms[n].Addr == to {
		next := len(ms[n].Buf)
		if next == 0 || next > size {
			break
		}
		n++
		if next < size {
			break
		}
	}
	return n
}
