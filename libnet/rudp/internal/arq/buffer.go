// SPDX-License-Identifier: GPL-3.0-or-later

package arq

import "sync"

// message is a message that is being sent, or a segment that has come early: bytes in a pooled buffer.
type message struct {
	data     []byte
	refs     int  // the queue, and each segment in flight
	deadline Time // zero: none
	number   uint64
	class    int8 // of the pool, or -1
}

// classes are the sizes of pooled buffers: steps of at most a half, and one for a full segment.
var classes = [...]int{1408, 2 << 10, 3 << 10, 4 << 10, 6 << 10, 8 << 10, 10 << 10, 12 << 10, 16 << 10, 20 << 10, 24 << 10, 32 << 10, 48 << 10, 64 << 10}

var pools [len(classes)]sync.Pool

// newMessage copies data into a pooled buffer. It has one reference.
func newMessage(data []byte) *message {
	for class, size := range classes {
		if len(data) > size {
			continue
		}
		m, ok := pools[class].Get().(*message)
		if !ok {
			m = &message{data: make([]byte, size), class: int8(class)}
		}
		m.data = m.data[:len(data)]
		copy(m.data, data)
		m.refs, m.deadline, m.number = 1, 0, 0
		return m
	}
	return &message{data: append([]byte(nil), data...), refs: 1, class: -1}
}

// release drops one reference; the last one gives the buffer back.
func (m *message) release() {
	m.refs--
	if m.refs > 0 {
		return
	}
	if m.refs < 0 {
		panic("arq: message released twice")
	}
	if m.class >= 0 {
		pools[m.class].Put(m)
	}
}

// recycled are the bytes of messages that readers no longer need, by the largest class that they hold; boxes are the
// empty messages that carry them.
var (
	recycled [len(classes)]sync.Pool
	boxes    = sync.Pool{New: func() any { return &message{class: -1} }}
)

// classOf gives the largest class that n bytes hold, or -1.
func classOf(n int) int {
	class := -1
	for class+1 < len(classes) && classes[class+1] <= n {
		class++
	}
	return class
}

// Recycle takes the bytes of a message that Recv gave, for messages to come. Nobody may use them any more.
func Recycle(data []byte) {
	class := classOf(cap(data))
	if class < 0 {
		return
	}
	box := boxes.Get().(*message)
	box.data = data[:0]
	recycled[class].Put(box)
}

// newPart gives an empty slice for a message of at most n bytes. But for short ones it has the size of a class, so that it
// serves again for any message of that class.
func newPart(n int) []byte {
	if n < classes[0] {
		return make([]byte, 0, n)
	}
	for class, size := range classes {
		if n > size {
			continue
		}
		if box, ok := recycled[class].Get().(*message); ok {
			data := box.data
			box.data = nil
			boxes.Put(box)
			return data
		}
		return make([]byte, 0, size)
	}
	return make([]byte, 0, n)
}

// fifo is a queue in a ring that grows as needed; who fills it bounds it.
type fifo[T any] struct {
	ring []T
	head int
	n    int
}

func (q *fifo[T]) push(v T) {
	if q.n == len(q.ring) {
		grown := make([]T, max(smallRing, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.ring, q.head = grown, 0
	}
	q.n++
	*q.at(q.n - 1) = v
}

// at gives the element that is i places behind the front.
func (q *fifo[T]) at(i int) *T { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *fifo[T]) pop() T {
	var zero T
	v := *q.at(0)
	*q.at(0) = zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v
}

// cut shortens the queue to its first n elements.
func (q *fifo[T]) cut(n int) {
	var zero T
	for ; q.n > n; q.n-- {
		*q.at(q.n - 1) = zero
	}
}

// trim frees a ring that is empty and larger than it started.
func (q *fifo[T]) trim() {
	if q.n == 0 && len(q.ring) > smallRing {
		q.ring, q.head = nil, 0
	}
}
