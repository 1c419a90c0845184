// SPDX-License-Identifier: GPL-3.0-or-later

package simnet

// fifo is a queue of packets. Who uses it bounds it.
type fifo struct {
	all  []*packet
	head int // all[head] is next
}

func (f *fifo) push(p *packet) { f.all = append(f.all, p) }

// pop returns the next packet, nil if there is none.
func (f *fifo) pop() *packet {
	if f.empty() {
		return nil
	}
	p := f.all[f.head]
	f.all[f.head] = nil
	f.head++
	if f.head*2 >= len(f.all) { // moves at most as many as have gone: constant cost on average
		rest := copy(f.all, f.all[f.head:])
		clear(f.all[rest:])
		f.all, f.head = f.all[:rest], 0
	}
	return p
}

func (f *fifo) empty() bool { return f.head == len(f.all) }

// waiting is what the queue holds, next first.
func (f *fifo) waiting() []*packet { return f.all[f.head:] }
