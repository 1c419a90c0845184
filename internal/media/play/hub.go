// SPDX-License-Identifier: GPL-3.0-or-later

package play

import (
	"sync"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media/cmaf"
	"p2plive/internal/wire"
)

// Hub fans a stream out to players. It holds one bounded log of the newest
// items that all subscriptions read at their own pace: a subscription costs a
// place in the log, not a copy of it, and one that is too slow is moved on to
// the newest key frame. Nothing a player does delays Publish.
type Hub struct {
	mu      sync.Mutex
	catalog *wire.Catalog
	log     []entry
	first   uint64 // number of log[0]; numbers only rise
	bytes   int    // of the fragments in log
	begin   beginning
	newest  map[wire.TrackID]uint64 // number of each track's newest key frame
	changed chan struct{}           // closed and replaced with each change
	closed  bool
	readers int
}

type entry struct {
	at   time.Time
	item Item
}

// beginning is where a new player starts to read.
type beginning struct {
	next uint64                  // number of the first item
	from map[wire.TrackID]uint64 // number of each track's first fragment
}

// NewHub returns a hub that waits for a catalog.
func NewHub() *Hub {
	return &Hub{newest: map[wire.TrackID]uint64{}, changed: make(chan struct{})}
}

// SetCatalog tells all players of a newer catalog. An older one is ignored.
func (h *Hub) SetCatalog(c *wire.Catalog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !c.Newer(h.catalog) {
		return
	}
	if h.catalog != nil && h.catalog.Epoch != c.Epoch {
		// The source has started anew: what is left of its last run is no
		// place to begin.
		clear(h.newest)
	}
	h.catalog = c
	h.push(Item{Kind: KindCatalog, Catalog: c})
	h.rebegin()
	h.trim()
}

// Publish hands a fragment to all players. Fragments of a track come in
// order. One that is not in the catalog is ignored: no player could use it.
func (h *Hub) Publish(f *live.Fragment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.catalog == nil || f.Epoch != h.catalog.Epoch {
		return
	}
	track := h.catalog.Track(f.Track)
	if track == nil {
		return
	}
	n := h.push(Item{Kind: KindFragment, Fragment: f})
	// A decoder can start with any fragment of an audio track.
	if (f.Key || track.Kind == wire.Audio) && f.Seq >= track.From {
		h.newest[f.Track] = n
		if track.Kind == wire.Video || !hasVideo(h.catalog) {
			h.rebegin()
		}
	}
	h.trim()
}

// Missed tells all players that a fragment will not come.
func (h *Hub) Missed(track wire.TrackID, seq wire.Seq) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.catalog == nil || h.catalog.Track(track) == nil {
		return
	}
	h.push(Item{Kind: KindMissed, Track: track, Seq: seq})
	h.trim()
}

// Close ends the stream: players read what is left, then io.EOF.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		h.wake()
	}
}

// Catalog returns the newest catalog, or nil if there is none yet.
func (h *Hub) Catalog() *wire.Catalog {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.catalog
}

// Players returns the number of open subscriptions.
func (h *Hub) Players() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.readers
}

// Subscribe returns a reader that starts at the newest key frame of each
// track, or with the next one if the hub holds none.
func (h *Hub) Subscribe() (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers >= maxSubscribers {
		return nil, ErrTooMany
	}
	h.readers++
	return &Subscription{
		hub: h, begin: h.begin, next: h.begin.next, opening: h.catalog, started: map[wire.TrackID]bool{},
	}, nil
}

// push appends an item and returns its number.
func (h *Hub) push(item Item) uint64 {
	h.log = append(h.log, entry{at: time.Now(), item: item})
	if item.Fragment != nil {
		h.bytes += len(item.Fragment.Data)
	}
	h.wake()
	return h.first + uint64(len(h.log)) - 1
}

func (h *Hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// trim drops old items: those that neither a new player nor one that is a
// little behind needs, and any beyond the bounds.
func (h *Hub) trim() {
	old := time.Now().Add(-keep)
	n := 0
	for n < len(h.log) {
		number := h.first + uint64(n)
		over := h.bytes > maxBytes || len(h.log)-n > maxItems
		if !over && (number >= h.begin.next || h.log[n].at.After(old)) {
			break
		}
		if f := h.log[n].item.Fragment; f != nil {
			h.bytes -= len(f.Data)
		}
		n++
	}
	if n == 0 {
		return
	}
	clear(h.log[:n]) // the array behind the slice would keep the fragments
	h.log = h.log[n:]
	h.first += uint64(n)
	if h.begin.next < h.first {
		h.rebegin()
	}
}

// rebegin finds where new players start: at the newest key frame of every
// video track, with the audio that sounds from then on.
func (h *Hub) rebegin() {
	head := h.first + uint64(len(h.log))
	h.begin = beginning{next: head, from: map[wire.TrackID]uint64{}}
	if h.catalog == nil {
		return
	}
	leading := wire.Video
	if !hasVideo(h.catalog) {
		leading = wire.Audio
	}
	var starts time.Duration // when the earliest of the key frames is shown
	for i := range h.catalog.Tracks {
		t := &h.catalog.Tracks[i]
		n, ok := h.newest[t.ID]
		if t.Kind != leading || !ok || n < h.first {
			continue
		}
		at := cmaf.Time(h.log[n-h.first].item.Fragment.Base, t.Timescale)
		if h.begin.next == head || at < starts {
			starts = at
		}
		h.begin.from[t.ID] = n
		h.begin.next = min(h.begin.next, n)
	}
	if h.begin.next == head || leading == wire.Audio {
		return
	}
	for i := range h.log {
		f := h.log[i].item.Fragment
		if f == nil || f.Epoch != h.catalog.Epoch {
			continue
		}
		t := h.catalog.Track(f.Track)
		if t == nil || t.Kind != wire.Audio || cmaf.Time(f.Base+uint64(f.Duration), t.Timescale) <= starts {
			continue
		}
		if _, ok := h.begin.from[t.ID]; !ok {
			n := h.first + uint64(i)
			h.begin.from[t.ID] = n
			h.begin.next = min(h.begin.next, n)
		}
	}
}

func hasVideo(c *wire.Catalog) bool {
	for i := range c.Tracks {
		if c.Tracks[i].Kind == wire.Video {
			return true
		}
	}
	return false
}
