// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"sync"

	"p2plive/internal/signal/signalpb"
)

// outbox keeps messages until a connection takes them. When it is full the
// oldest is dropped: of reports and requests the newest counts.
type outbox struct {
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	queue   []*signalpb.ClientMessage
	dropped uint64
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1)}
}

func (o *outbox) put(m *signalpb.ClientMessage) {
	o.mu.Lock()
	if len(o.queue) == outboxSize {
		copy(o.queue, o.queue[1:])
		o.queue = o.queue[:outboxSize-1]
		o.dropped++
	}
	o.queue = append(o.queue, m)
	o.mu.Unlock()
	o.kick()
}

// kick makes a waiting writer look again.
func (o *outbox) kick() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns the oldest message, or nil.
func (o *outbox) take() *signalpb.ClientMessage {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return nil
	}
	m := o.queue[0]
	o.queue[0] = nil
	o.queue = o.queue[1:]
	return m
}
