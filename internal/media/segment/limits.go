// SPDX-License-Identifier: GPL-3.0-or-later

package segment

import "time"

const (
	// audioTarget is how much sound goes into a fragment: single frames would
	// cost 35% overhead and more, longer fragments their length in latency.
	audioTarget = 80 * time.Millisecond
	// maxAudioFrames bounds the frames that wait for a fragment to be full,
	// whatever their claimed duration.
	maxAudioFrames = 64

	// maxJump is how far timestamps may be from what the last ones promised.
	// Beyond it they are taken for another timeline.
	maxJump = time.Second
	// maxWaver is how many frames of sound in a row may come off their time
	// before that is taken for a gap.
	maxWaver = 8
	// maxApart is how far a track may be from the others when it takes part in
	// their timeline.
	maxApart = 2 * time.Second
	// lead is where the timeline starts, so that a track whose first sample is
	// a little older than the first one seen still has a place after zero.
	lead = time.Second
	// maxReorder bounds PTS - DTS: no codec holds 16 frames for longer.
	maxReorder = 30 * time.Second

	// firstGuess is the duration of a track's first video frame.
	firstGuess = time.Second / 30

	// firstMeasure and measure are the spans that the bitrate of tracks that
	// do not tell theirs is measured over.
	firstMeasure = 2 * time.Second
	measure      = 10 * time.Second

	// maxInit bounds an initialization segment, as internal/wire does.
	maxInit = 8 << 10

	// Substreams of tracks if the configuration does not say: a video of
	// many pieces a second gains from several trees, sound has few.
	defaultVideoSubstreams = 6
	defaultAudioSubstreams = 2
)
