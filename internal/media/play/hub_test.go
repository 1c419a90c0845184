// SPDX-License-Identifier: GPL-3.0-or-later

package play

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"p2plive/internal/live"
	"p2plive/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	video wire.TrackID = 1
	audio wire.TrackID = 2
)

func catalog(version uint32) *wire.Catalog {
	return &wire.Catalog{Epoch: 1, Version: version, Tracks: []wire.Track{
		{ID: video, Kind: wire.Video, Timescale: 1000},
		{ID: audio, Kind: wire.Audio, Timescale: 1000},
	}}
}

// frame is a video fragment of 100 ms; every tenth is a key frame.
func frame(seq int) *live.Fragment {
	return &live.Fragment{Epoch: 1, Track: video, Seq: wire.Seq(seq), Key: seq%10 == 0,
		Base: uint64(seq * 100), Duration: 100, Data: make([]byte, 100)}
}

func sound(seq int) *live.Fragment {
	return &live.Fragment{Epoch: 1, Track: audio, Seq: wire.Seq(seq), Key: true,
		Base: uint64(seq * 80), Duration: 80, Data: make([]byte, 10)}
}

func subscribe(t *testing.T, h *Hub) *Subscription {
	t.Helper()
	s, err := h.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// expect reads one item, which has to be there already.
func expect(t *testing.T, s *Subscription, kind Kind) Item {
	t.Helper()
	item, ok, _ := s.take()
	if !ok || item.Kind != kind {
		t.Fatalf("got %+v (there: %v), want kind %d", item, ok, kind)
	}
	return item
}

func expectFragment(t *testing.T, s *Subscription, want *live.Fragment) {
	t.Helper()
	if f := expect(t, s, KindFragment).Fragment; f.Track != want.Track || f.Seq != want.Seq {
		t.Fatalf("got fragment %d of track %d, want %d of %d", f.Seq, f.Track, want.Seq, want.Track)
	}
}

func TestStartsAtNewestKeyFrameWithItsAudio(t *testing.T) {
	h := NewHub()
	h.SetCatalog(catalog(1))
	for i := range 25 {
		h.Publish(sound(i)) // 0 to 2 s
	}
	for i := range 23 {
		h.Publish(frame(i)) // key frames at 0, 1 and 2 s
	}
	s := subscribe(t, h)
	expect(t, s, KindCatalog)
	for i := 20; i < 23; i++ { // audio 24 ends where frame 20 starts
		expectFragment(t, s, frame(i))
	}
	if item, ok, _ := s.take(); ok {
		t.Fatalf("got %+v, want nothing", item)
	}

	h = NewHub()
	h.SetCatalog(catalog(1))
	for i := range 26 {
		h.Publish(sound(i))
	}
	h.Publish(frame(20))
	s = subscribe(t, h)
	expect(t, s, KindCatalog)
	expectFragment(t, s, sound(25)) // arrived before the key frame, sounds after it
	expectFragment(t, s, frame(20))
}

func TestWaitsForKeyFrame(t *testing.T) {
	h := NewHub()
	s := subscribe(t, h)
	h.Publish(frame(0)) // no catalog yet: nobody could use it
	h.SetCatalog(catalog(1))
	h.Publish(frame(1))
	h.Publish(frame(10))
	h.Publish(frame(11))
	expect(t, s, KindCatalog)
	expectFragment(t, s, frame(10))
	expectFragment(t, s, frame(11))
}

func TestCatalogs(t *testing.T) {
	h := NewHub()
	h.SetCatalog(catalog(2))
	s := subscribe(t, h)
	expect(t, s, KindCatalog)
	h.SetCatalog(catalog(1)) // older: ignored
	h.Publish(frame(0))
	expectFragment(t, s, frame(0))

	next := catalog(3) // with a new init segment from fragment 10 on
	next.Tracks[0].From = 10
	h.SetCatalog(next)
	h.Publish(frame(9))
	h.Publish(frame(10))
	if c := expect(t, s, KindCatalog).Catalog; c != next {
		t.Fatal("not the newer catalog")
	}
	expectFragment(t, s, frame(10))

	again := catalog(1) // the source has started anew
	again.Epoch = 2
	h.SetCatalog(again)
	h.Publish(frame(11)) // still of the old run
	fresh := *frame(0)
	fresh.Epoch = 2
	h.Publish(&fresh)
	expect(t, s, KindCatalog)
	if f := expect(t, s, KindFragment).Fragment; f.Epoch != 2 {
		t.Fatal("fragment of the old epoch")
	}
}

func TestMissedIsTold(t *testing.T) {
	h := NewHub()
	h.SetCatalog(catalog(1))
	s := subscribe(t, h)
	h.Publish(frame(0))
	h.Missed(video, 1)
	expect(t, s, KindCatalog)
	expectFragment(t, s, frame(0))
	if item := expect(t, s, KindMissed); item.Track != video || item.Seq != 1 {
		t.Fatalf("missed %+v", item)
	}
}

func TestSlowReaderIsMovedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		h.SetCatalog(catalog(1))
		slow, quick := subscribe(t, h), subscribe(t, h)
		expect(t, quick, KindCatalog)
		expect(t, slow, KindCatalog)
		h.Publish(frame(0))
		expectFragment(t, slow, frame(0))
		expectFragment(t, quick, frame(0))
		for i := 1; i < 35; i++ {
			h.Publish(frame(i))
			expectFragment(t, quick, frame(i))
			time.Sleep(100 * time.Millisecond)
		}
		expect(t, slow, KindSkipped)
		expect(t, slow, KindCatalog)
		expectFragment(t, slow, frame(30))
		expectFragment(t, slow, frame(31))
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		h.SetCatalog(catalog(1))
		slow := subscribe(t, h)
		big := make([]byte, 1<<20)
		for i := range 200 { // one key frame, then never again
			f := *frame(i)
			f.Key, f.Data = i == 0, big
			h.Publish(&f)
			time.Sleep(10 * time.Millisecond)
		}
		if h.bytes > maxBytes || len(h.log) > maxBytes>>20 {
			t.Errorf("holds %d bytes in %d items", h.bytes, len(h.log))
		}
		// The only key frame is gone: the reader waits for the next.
		expect(t, slow, KindSkipped)
		expect(t, slow, KindCatalog)
		h.Publish(frame(200))
		expectFragment(t, slow, frame(200))

		for i := 201; i < 401; i++ { // old fragments go with time
			h.Publish(frame(i))
			time.Sleep(100 * time.Millisecond)
		}
		if limit := int(keep/(100*time.Millisecond)) + 12; len(h.log) > limit {
			t.Errorf("holds %d items, want at most %d", len(h.log), limit)
		}
	})
}

func TestNextWaitsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		s := subscribe(t, h)
		time.AfterFunc(time.Second, func() { h.SetCatalog(catalog(1)) })
		if item, err := s.Next(t.Context()); err != nil || item.Kind != KindCatalog {
			t.Fatalf("got %+v, %v", item, err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gone)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, gone) {
			t.Errorf("error %v, want the context's cause", err)
		}
		h.Publish(frame(0))
		h.Close()
		h.Publish(frame(1))
		if _, err := s.Next(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("error %v, want io.EOF", err)
		}
	})
}

func TestTooManyReaders(t *testing.T) {
	h := NewHub()
	subs := make([]*Subscription, maxSubscribers)
	for i := range subs {
		subs[i] = subscribe(t, h)
	}
	if _, err := h.Subscribe(); !errors.Is(err, ErrTooMany) {
		t.Fatalf("error %v, want ErrTooMany", err)
	}
	subs[0].Close()
	subs[0].Close()
	subscribe(t, h)
	if h.Players() != maxSubscribers {
		t.Errorf("%d players", h.Players())
	}
}

func TestAudioOnly(t *testing.T) {
	h := NewHub()
	c := catalog(1)
	c.Tracks = c.Tracks[1:]
	h.SetCatalog(c)
	for i := range 5 {
		h.Publish(sound(i))
	}
	s := subscribe(t, h)
	expect(t, s, KindCatalog)
	expectFragment(t, s, sound(4))
}

func TestNothingIsLostOverARestart(t *testing.T) {
	h := NewHub()
	h.SetCatalog(catalog(1))
	s := subscribe(t, h)
	h.Publish(frame(0))
	again := catalog(1)
	again.Epoch = 2
	h.SetCatalog(again)
	fresh := *frame(0)
	fresh.Epoch = 2
	h.Publish(&fresh)
	for _, epoch := range []wire.Epoch{1, 2} { // though nothing was read in between
		if c := expect(t, s, KindCatalog).Catalog; c.Epoch != epoch {
			t.Errorf("catalog of epoch %d, want %d", c.Epoch, epoch)
		}
		if f := expect(t, s, KindFragment).Fragment; f.Epoch != epoch {
			t.Errorf("fragment of epoch %d, want %d", f.Epoch, epoch)
		}
	}
}
