// SPDX-License-Identifier: GPL-3.0-or-later

package hls

import (
	"context"
	"sync"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media/cmaf"
	"p2plive/internal/media/play"
	"p2plive/internal/wire"
)

// session is one stretch of work, from the first request until nobody asks
// any more. Its name is part of every address, so that no cache mixes two.
type session struct {
	name string
	idle *time.Timer // ends it; every request winds it up again
	stop context.CancelFunc
	done chan struct{}

	mu         sync.Mutex
	renditions map[wire.TrackID]*rendition
	tracks     []*wire.Track
	leading    wire.TrackID    // whose key frames end segments
	number     uint64          // of the leading track's next segment
	cuts       []time.Duration // when its newest segments start; the last one is that of number-1
	epoch      wire.Epoch
	ended      bool
	over       bool
	changed    chan struct{} // closed and replaced with each change
}

func startSession(sub *play.Subscription, name string) *session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{
		name: name, stop: cancel, done: make(chan struct{}),
		idle:       time.AfterFunc(idle, cancel),
		renditions: map[wire.TrackID]*rendition{}, changed: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		defer sub.Close()
		s.run(ctx, sub)
	}()
	return s
}

// close ends the session and waits until it has.
func (s *session) close() {
	s.idle.Stop()
	s.stop()
	<-s.done
}

func (s *session) run(ctx context.Context, sub *play.Subscription) {
	defer s.idle.Stop()
	for {
		item, err := sub.Next(ctx)
		s.mu.Lock()
		switch {
		case err != nil:
			s.over = true
		case item.Kind == play.KindCatalog:
			s.setCatalog(item.Catalog)
		case item.Kind == play.KindFragment:
			s.add(item.Fragment)
		}
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *session) setCatalog(c *wire.Catalog) {
	again := s.epoch != 0 && s.epoch != c.Epoch
	s.epoch, s.ended = c.Epoch, c.Ended
	s.tracks, s.leading = nil, 0
	for i := range c.Tracks {
		t := &c.Tracks[i]
		s.tracks = append(s.tracks, t)
		r := s.renditions[t.ID]
		if r == nil {
			r = &rendition{}
			s.renditions[t.ID] = r
		}
		r.setTrack(t)
		r.restart = r.restart || again
	}
	for _, kind := range []wire.TrackKind{wire.Video, wire.Audio} {
		for _, t := range s.tracks {
			if t.Kind == kind && s.leading == 0 {
				s.leading = t.ID
			}
		}
	}
	for id := range s.renditions {
		if c.Track(id) == nil {
			delete(s.renditions, id)
		}
	}
}

// add sorts a fragment into its rendition. The leading track decides where
// segments start, the others follow: a segment has one number in all.
func (s *session) add(f *live.Fragment) {
	r := s.renditions[f.Track]
	if r == nil || f.Epoch != s.epoch {
		return
	}
	switch {
	case f.Track == s.leading:
		if r.due(f) {
			if r.open() == nil && !f.Key && r.track.Kind == wire.Video {
				return
			}
			s.cut(r, f)
		}
	case s.number == 0:
		return // the leading track has not begun
	default:
		if !s.follow(r, f) {
			return
		}
	}
	r.add(f)
}

// cut starts a segment of the leading track.
func (s *session) cut(r *rendition, f *live.Fragment) {
	r.cut(f, s.number)
	s.number++
	s.cuts = append(s.cuts, r.time(f))
	if len(s.cuts) > segments+1 {
		s.cuts = s.cuts[1:]
	}
}

// follow starts a segment of another track where the leading one did. It
// tells whether the fragment has a place.
func (s *session) follow(r *rendition, f *live.Fragment) bool {
	starts := f.Key || r.track.Kind == wire.Audio
	newest := s.number - 1
	open := r.open()
	if open == nil {
		end := cmaf.Time(f.Base+uint64(f.Duration), r.track.Timescale)
		if !starts || end <= s.cuts[len(s.cuts)-1] {
			return false
		}
		r.cut(f, newest)
		return true
	}
	if !starts || open.number >= newest {
		return true
	}
	// A track that was away for long has only the newest places to go to:
	// numbers have no holes, so it takes one step with each fragment.
	behind := min(newest-open.number, uint64(len(s.cuts)))
	if r.restart || r.time(f) >= s.cuts[uint64(len(s.cuts))-behind] {
		r.cut(f, open.number+1)
	}
	return true
}

// wait waits until ready, which is called under the lock, says so. It tells
// whether that came before ctx or the session ended.
func (s *session) wait(ctx context.Context, ready func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	for {
		s.mu.Lock()
		ok, over, changed := ready(), s.over, s.changed
		s.mu.Unlock()
		if ok || over {
			return ok
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}
