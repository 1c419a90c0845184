// SPDX-License-Identifier: GPL-3.0-or-later

package segment

import (
	"slices"
	"time"

	"p2plive/internal/live"
	"p2plive/internal/media"
	"p2plive/internal/wire"
)

// track is the state of one output track.
type track struct {
	id     wire.TrackID
	format media.TrackFormat
	info   media.Info
	entry  wire.Track // as in the catalog
	seq    wire.Seq   // of the next fragment
	clock  clock
	synced bool // video: a key frame has been seen and nothing lost since

	// Audio that waits for a fragment to be full.
	pending []frame
	base    int64

	meter meter
}

// change is a format that is ready to be applied.
type change struct {
	format media.TrackFormat
	info   media.Info
	entry  wire.Track
}

// prepare returns what changes in t with the format, nil if nothing does.
func (t *track) prepare(f *media.TrackFormat, substreams uint8) (*change, error) {
	if t.entry.ID != 0 && t.format.Equal(f) {
		return nil, nil
	}
	if f.Timescale == 0 || (f.Kind != wire.Video && f.Kind != wire.Audio) {
		return nil, media.ErrNotMedia
	}
	info, err := f.Info()
	if err != nil {
		return nil, err
	}
	init, err := initSegment(t.id, f, info)
	if err != nil {
		return nil, err
	}
	return &change{format: *f, info: info, entry: wire.Track{
		ID: t.id, Kind: f.Kind, Substreams: substreams, Codec: info.Codec, Timescale: f.Timescale,
		Bitrate: f.Bitrate, Width: info.Width, Height: info.Height, SampleRate: info.SampleRate,
		Channels: info.Channels, Language: f.Language, Rendition: f.Rendition, Init: init,
	}}, nil
}

func (t *track) apply(c *change) {
	if t.clock.timescale != c.format.Timescale {
		t.clock = clock{line: t.clock.line, timescale: c.format.Timescale}
	}
	t.format, t.info, t.entry = c.format, c.info, c.entry
	t.entry.From = t.seq
	t.synced = false
	t.meter = meter{}
}

// video cuts a frame at once. How long it lasts is a guess if the input does
// not know; the next fragment's base corrects it.
func (s *Segmenter) video(t *track, m *media.Sample) error {
	if !t.synced && !m.Key {
		return nil
	}
	before, known := t.clock.out, t.clock.placed
	base, _ := t.clock.place(m.DTS, 0)
	if base < 0 {
		return nil
	}
	duration := m.Duration
	if duration == 0 {
		duration = uint32(media.Ticks(firstGuess, t.format.Timescale))
		if step := base - before; known && step > 0 && step <= media.Ticks(maxJump, t.format.Timescale) {
			duration = uint32(step)
		}
		duration = max(duration, 1)
	}
	t.clock.step = duration
	cts := m.PTS - m.DTS
	if most := media.Ticks(maxReorder, t.format.Timescale); cts > most || cts < -most {
		cts = 0
	}
	f := frame{duration: duration, cts: int32(cts), key: m.Key, data: m.Data}
	if len(m.Data) > live.MaxFragment-maxOverhead {
		s.conf.Logger.Warn("video frame is too large and was dropped", "track", t.id, "bytes", len(m.Data))
		t.synced = false
		return nil
	}
	t.synced = true
	return s.emit(t, base, []frame{f})
}

// maxOverhead is more than what a fragment's boxes take.
const maxOverhead = 256 + 16*maxAudioFrames

// audio collects frames until there is enough for a fragment.
func (s *Segmenter) audio(t *track, m *media.Sample) error {
	length := t.frameLength(m)
	base, continuous := t.clock.place(m.DTS, length)
	t.clock.step = length
	if base < 0 {
		return nil
	}
	if !continuous {
		if err := s.flush(t); err != nil {
			return err
		}
	}
	size := len(m.Data)
	for i := range t.pending {
		size += len(t.pending[i].data)
	}
	if size > live.MaxFragment-maxOverhead {
		if err := s.flush(t); err != nil || len(m.Data) > live.MaxFragment-maxOverhead {
			return err
		}
	}
	if len(t.pending) == 0 {
		t.base = base
	}
	t.pending = append(t.pending, frame{duration: length, key: true, data: m.Data})
	held := base + int64(length) - t.base
	if held+int64(length)/2 >= media.Ticks(audioTarget, t.format.Timescale) || len(t.pending) == maxAudioFrames {
		return s.flush(t)
	}
	return nil
}

// frameLength returns how long an audio frame is, in the track's timescale.
// The codec knows it better than containers do.
func (t *track) frameLength(m *media.Sample) uint32 {
	samples, rate := t.info.FrameSamples, t.info.SampleRate
	if t.format.Codec == media.Opus {
		samples = media.OpusSamples(m.Data)
	}
	length := uint32((uint64(samples)*uint64(t.format.Timescale) + uint64(rate)/2) / uint64(rate))
	if length == 0 && m.Duration < 1<<24 {
		length = m.Duration
	}
	return max(length, 1)
}

// flush cuts the pending audio.
func (s *Segmenter) flush(t *track) error {
	if len(t.pending) == 0 {
		return nil
	}
	frames := slices.Clone(t.pending)
	clear(t.pending)
	t.pending = t.pending[:0]
	return s.emit(t, t.base, frames)
}

func (s *Segmenter) emit(t *track, base int64, frames []frame) error {
	var duration uint32
	for i := range frames {
		duration += frames[i].duration
	}
	f := &live.Fragment{
		Epoch: s.conf.Epoch, Track: t.id, Seq: t.seq, Key: frames[0].key,
		Base: uint64(base), Duration: duration, Wall: s.conf.Now().UnixMilli(),
		Data: marshalFragment(t.id, t.seq, uint64(base), frames),
	}
	t.seq++
	if err := s.out.Fragment(f); err != nil {
		return err
	}
	if t.format.Bitrate == 0 && t.meter.add(media.Duration(base, t.format.Timescale), len(f.Data)) {
		t.entry.Bitrate = t.meter.rate
		return s.catalog(false)
	}
	return nil
}

// meter measures a bitrate.
type meter struct {
	start time.Duration
	bytes int
	begun bool
	rate  uint32 // bits a second, 0 until known
}

// add counts bytes at a time of the timeline and reports whether the rate
// became known or changed by more than a quarter.
func (m *meter) add(at time.Duration, bytes int) bool {
	if !m.begun || at < m.start {
		m.begun, m.start, m.bytes = true, at, 0
	}
	span := measure
	if m.rate == 0 {
		span = firstMeasure
	}
	elapsed := at - m.start
	if elapsed < span {
		m.bytes += bytes
		return false
	}
	rate := uint32(min(float64(m.bytes)*8/elapsed.Seconds(), 1<<31))
	m.start, m.bytes = at, bytes
	if old := m.rate; rate > old+old/4 || rate < old-old/4 {
		m.rate = rate
		return true
	}
	return false
}
