// SPDX-License-Identifier: GPL-3.0-or-later

package hls

import "time"

const (
	// partTarget bounds the length of a part: four AAC fragments of 85 ms or
	// ten pictures at 30 Hz fit, and no part is shorter than 85% of it.
	partTarget = 350 * time.Millisecond
	// minSegment is the least length of a segment; it then ends before the
	// next key frame.
	minSegment = time.Second
	// maxSegment ends a segment without a key frame, so that a source that
	// sends none does not fill the memory. So does maxSegmentBytes.
	maxSegment      = 12 * time.Second
	maxSegmentBytes = 16 << 20
	// segments is how many finished ones stay: players start three behind the
	// newest and may be two late.
	segments = 7
	// partSegments is how many of the newest segments are listed by part.
	// Older parts are of no use to a player near live (RFC 8216bis, 4.4.4.9).
	partSegments = 3
	// idle ends the work when nobody has asked for anything for this long.
	// Players ask at least once a segment.
	idle = 30 * time.Second
	// maxWait bounds a request that waits for what is not there yet. It is
	// longer than most groups of pictures, of which the first player needs one.
	maxWait = 15 * time.Second
	// maxAhead is how many segments a request may be ahead of the newest
	// (RFC 8216bis, 6.2.5.2).
	maxAhead = 2
)
