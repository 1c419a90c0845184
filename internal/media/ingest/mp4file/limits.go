// SPDX-License-Identifier: GPL-3.0-or-later

package mp4file

import "time"

const (
	// maxMoov bounds the index of a file that is read into memory: 64 MiB
	// describe some 30 hours.
	maxMoov = 64 << 20
	// maxMoof bounds the index of one fragment.
	maxMoof = 8 << 20
	// maxSamples bounds the samples of a file, at 32 bytes of memory each: 4
	// million are 12 hours of video and sound.
	maxSamples = 4 << 20
	// maxSample bounds one frame. A fragment cannot carry more either.
	maxSample = 4 << 20
	// maxSeconds bounds timestamps to 11 days: far more than maxSamples need,
	// far less than what overflows when converted to nanoseconds.
	maxSeconds = 1_000_000
	// minLength is the shortest file that is worth a loop: a shorter one would
	// keep a processor busy with nothing else.
	minLength = 30 * time.Millisecond
	// maxTracks bounds the tracks that are read; a stream has no more.
	maxTracks = 16
	// maxBoxes bounds the top-level boxes: two for each fragment of a frame.
	maxBoxes = 2 * maxSamples
	// maxLate is how far delivery may fall behind, because the process was
	// stopped or the sink slow, before the clock gives way.
	maxLate = time.Second
	// cutAudio is how much longer than the picture the sound may be for the
	// loop to cut it at the picture's end. Encoders leave up to a frame or
	// two; more than this is meant to be heard.
	cutAudio = time.Second
)
