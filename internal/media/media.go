// SPDX-License-Identifier: GPL-3.0-or-later

// Package media is the neutral middle between ingest and segment: encoded
// samples with their format, whatever they came in. It decodes no picture and
// knows nothing of peers.
package media

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"p2plive/internal/wire"
)

// Codec names how samples are encoded.
type Codec string

// Codecs that are passed through untouched.
const (
	H264 Codec = "h264"
	H265 Codec = "h265"
	AV1  Codec = "av1"
	AAC  Codec = "aac"
	Opus Codec = "opus"
)

// Errors of inputs, for errors.Is. Each comes wrapped in a line that names the
// input and says what to do.
var (
	// ErrNotMedia is returned for data that is not what the input reads.
	ErrNotMedia = errors.New("not a media stream of the expected kind")
	// ErrTruncated is returned for media that ends before its index says.
	ErrTruncated = errors.New("truncated")
	// ErrUnsupported is returned for codecs other than the ones above.
	ErrUnsupported = errors.New("unsupported codec")
)

// TrackFormat describes the samples of one track.
type TrackFormat struct {
	Kind      wire.TrackKind
	Codec     Codec
	Timescale uint32 // units a second of PTS, DTS and Duration

	// Params holds what a decoder needs before the first sample: SPS and PPS
	// (H.264), VPS, SPS and PPS (H.265), the sequence header OBU (AV1), the
	// AudioSpecificConfig (AAC). Empty for Opus.
	Params [][]byte

	SampleRate uint32 // hertz, Opus only: of the input, for information
	Channels   uint8  // Opus only, 1 or 2
	PreSkip    uint16 // Opus only: samples at 48 kHz to drop at the start
	Bitrate    uint32 // bits a second; 0 if not known
	Language   string // BCP 47, may be empty
	Rendition  string // such as "720p", may be empty
}

// Equal reports whether a decoder could go on from f to g without a new
// initialization segment.
func (f *TrackFormat) Equal(g *TrackFormat) bool {
	return f.Kind == g.Kind && f.Codec == g.Codec && f.Timescale == g.Timescale &&
		f.SampleRate == g.SampleRate && f.Channels == g.Channels && f.PreSkip == g.PreSkip &&
		f.Language == g.Language && f.Rendition == g.Rendition &&
		slices.EqualFunc(f.Params, g.Params, bytes.Equal)
}

// Sample is one encoded frame of a track.
type Sample struct {
	Track    int    // index in the formats given last
	PTS, DTS int64  // in the track's timescale; all tracks count from one origin
	Duration uint32 // in the track's timescale; 0 if not known
	Key      bool   // a decoder can start here; always true for audio

	// Data is the frame: NAL units with 4-byte lengths (H.264, H.265), OBUs
	// without temporal delimiters (AV1), one raw frame (AAC, Opus). Whoever
	// gets the sample may keep it, nobody may change it.
	Data []byte
}

// Sink takes what an input reads. Calls come from one goroutine and in decode
// order within a track; an error ends the input.
type Sink interface {
	// Formats comes first, and again whenever tracks or parameter sets change.
	Formats([]TrackFormat) error
	Sample(Sample) error
}

// Ticks converts d to units of a timescale, rounded to the nearest.
func Ticks(d time.Duration, timescale uint32) int64 {
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	half := int64(time.Second / 2)
	if rest < 0 {
		half = -half
	}
	return sec*int64(timescale) + (rest*int64(timescale)+half)/int64(time.Second)
}

// Duration converts t units of a timescale, truncated to nanoseconds.
func Duration(t int64, timescale uint32) time.Duration {
	ts := int64(timescale)
	return time.Duration(t/ts)*time.Second + time.Duration(t%ts*int64(time.Second)/ts)
}
