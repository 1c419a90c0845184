// SPDX-License-Identifier: GPL-3.0-or-later

package segment

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media"
	"p2plive/internal/wire"
)

// Config of a Segmenter.
type Config struct {
	Epoch           wire.Epoch       // of this run of the source
	Title           string           // shown to viewers, may be empty
	VideoSubstreams uint8            // trees a video track is dealt to; default 4
	AudioSubstreams uint8            // trees an audio track is dealt to; default 2
	Now             func() time.Time // default time.Now
	Logger          *slog.Logger     // default slog.Default
}

// Output takes what a Segmenter makes. An error ends the input.
type Output interface {
	// Catalog comes before the first fragment of what it describes. It lacks
	// the stream's id. Its version rises with each call.
	Catalog(*wire.Catalog) error
	Fragment(*live.Fragment) error
}

// Segmenter turns samples into fragments. It is a media.Sink and like that for
// one goroutine at a time.
type Segmenter struct {
	conf    Config
	out     Output
	line    timeline
	known   []*track // every track of this epoch: their sequence numbers go on
	active  []*track // by index in the formats given last
	version uint32
}

var errNoTrack = errors.New("sample of a track without a format")

// New returns a Segmenter that gives what it makes to out.
func New(conf Config, out Output) *Segmenter {
	if conf.VideoSubstreams == 0 {
		conf.VideoSubstreams = defaultVideoSubstreams
	}
	if conf.AudioSubstreams == 0 {
		conf.AudioSubstreams = defaultAudioSubstreams
	}
	if conf.Now == nil {
		conf.Now = time.Now
	}
	if conf.Logger == nil {
		conf.Logger = slog.Default()
	}
	s := &Segmenter{conf: conf, out: out}
	epoch := time.UnixMilli(int64(conf.Epoch))
	s.line.since = func() time.Duration { return max(conf.Now().Sub(epoch), 0) }
	return s
}

// Formats implements media.Sink. Formats that cannot be passed on are refused
// with media.ErrUnsupported or media.ErrNotMedia, and change nothing.
func (s *Segmenter) Formats(formats []media.TrackFormat) error {
	if len(formats) > wire.MaxTracks {
		return fmt.Errorf("%d tracks, want at most %d: %w", len(formats), wire.MaxTracks, media.ErrUnsupported)
	}
	next := make([]*track, 0, len(formats))
	changes := make([]*change, 0, len(formats))
	for i := range formats {
		t := s.assign(&formats[i], next)
		c, err := t.prepare(&formats[i], s.substreams(formats[i].Kind))
		if err != nil {
			return err
		}
		next, changes = append(next, t), append(changes, c)
	}
	// What is pending belongs to the old formats.
	for _, t := range s.active {
		if err := s.flush(t); err != nil {
			return err
		}
	}
	changed := len(next) != len(s.active)
	for i, t := range next {
		changed = changed || s.active[i] != t || changes[i] != nil
		if int(t.id) > len(s.known) {
			s.known = append(s.known, t)
		}
		if changes[i] != nil {
			t.apply(changes[i])
		}
	}
	s.active = next
	if !changed {
		return nil
	}
	return s.catalog(false)
}

func (s *Segmenter) substreams(k wire.TrackKind) uint8 {
	if k == wire.Audio {
		return s.conf.AudioSubstreams
	}
	return s.conf.VideoSubstreams
}

// assign finds the track that a format goes on: a known one of its kind, the
// one with its rendition and language if there are several, or a new one.
func (s *Segmenter) assign(f *media.TrackFormat, taken []*track) *track {
	isTaken := make(map[*track]bool, len(taken))
	fresh := wire.TrackID(len(s.known) + 1)
	for _, t := range taken {
		isTaken[t] = true
		fresh = max(fresh, t.id+1)
	}
	var found *track
	for _, t := range s.known {
		if isTaken[t] || t.format.Kind != f.Kind {
			continue
		}
		if t.format.Rendition == f.Rendition && t.format.Language == f.Language {
			return t
		}
		if found == nil {
			found = t
		}
	}
	if found == nil {
		found = &track{id: fresh, clock: clock{line: &s.line}}
	}
	return found
}

// Sample implements media.Sink.
func (s *Segmenter) Sample(m media.Sample) error {
	if m.Track < 0 || m.Track >= len(s.active) {
		return fmt.Errorf("track %d: %w", m.Track, errNoTrack)
	}
	t := s.active[m.Track]
	if len(m.Data) == 0 {
		return nil
	}
	if t.format.Kind == wire.Audio {
		return s.audio(t, &m)
	}
	return s.video(t, &m)
}

// End cuts what is pending and says good-bye with a last catalog.
func (s *Segmenter) End() error {
	for _, t := range s.active {
		if err := s.flush(t); err != nil {
			return err
		}
	}
	return s.catalog(true)
}

func (s *Segmenter) catalog(ended bool) error {
	s.version++
	c := &wire.Catalog{Epoch: s.conf.Epoch, Version: s.version, Ended: ended, Title: s.conf.Title}
	for _, t := range s.active {
		c.Tracks = append(c.Tracks, t.entry)
	}
	return s.out.Catalog(c)
}
