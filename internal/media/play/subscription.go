// SPDX-License-Identifier: GPL-3.0-or-later

package play

import (
	"context"
	"io"
	"time"

	"p2plive/internal/wire"
)

// Subscription is one player's place in a stream. It is used by one goroutine.
type Subscription struct {
	hub     *Hub
	begin   beginning
	next    uint64                // number of the item to read next
	opening *wire.Catalog         // that of the beginning, still to be told
	catalog *wire.Catalog         // told last
	started map[wire.TrackID]bool // video tracks whose key frame was read
	skipped bool                  // KindSkipped is to be told
	closed  bool
}

// Next waits for the next item. It returns io.EOF when the stream is over,
// or the cause why ctx ended.
func (s *Subscription) Next(ctx context.Context) (Item, error) {
	for {
		item, ok, changed := s.take()
		if ok {
			return item, nil
		}
		if changed == nil {
			return Item{}, io.EOF
		}
		select {
		case <-ctx.Done():
			return Item{}, context.Cause(ctx)
		case <-changed:
		}
	}
}

// Close gives the subscription's place up.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.hub.readers--
	}
}

// take returns the next item if there is one, otherwise a channel that is
// closed when it is worth while to look again, nil if it never will be.
func (s *Subscription) take() (Item, bool, <-chan struct{}) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s.catchUp()
	if s.skipped {
		s.skipped = false
		return Item{Kind: KindSkipped}, true, nil
	}
	if s.opening != nil {
		s.catalog, s.opening = s.opening, nil
		return Item{Kind: KindCatalog, Catalog: s.catalog}, true, nil
	}
	for s.next < h.first+uint64(len(h.log)) {
		number := s.next
		item := h.log[number-h.first].item
		s.next++
		if s.wanted(number, item) {
			return item, true, nil
		}
	}
	if h.closed {
		return Item{}, false, nil
	}
	return Item{}, false, h.changed
}

// catchUp moves a reader that is too far behind to where a new one starts.
func (s *Subscription) catchUp() {
	h := s.hub
	gone := s.next < h.first
	if !gone {
		i := s.next - h.first
		late := i < uint64(len(h.log)) && time.Since(h.log[i].at) > maxLag
		if !late || h.begin.next <= s.next {
			return
		}
	}
	s.begin, s.next = h.begin, h.begin.next
	clear(s.started)
	s.skipped = true
	s.opening = h.catalog
}

// wanted tells whether the reader can use the item.
func (s *Subscription) wanted(number uint64, item Item) bool {
	switch item.Kind {
	case KindCatalog:
		if !item.Catalog.Newer(s.catalog) {
			return false
		}
		if s.catalog != nil && s.catalog.Epoch != item.Catalog.Epoch {
			clear(s.started)
		}
		s.catalog = item.Catalog
		return true
	case KindMissed:
		return number >= s.begin.from[item.Track]
	}
	f := item.Fragment
	if s.catalog == nil || f.Epoch != s.catalog.Epoch || number < s.begin.from[f.Track] {
		return false
	}
	t := s.catalog.Track(f.Track)
	if t == nil || f.Seq < t.From {
		return false // of an older catalog: the init segment does not fit
	}
	if t.Kind == wire.Video && !s.started[f.Track] {
		if !f.Key {
			return false
		}
		s.started[f.Track] = true
	}
	return true
}
