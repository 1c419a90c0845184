// SPDX-License-Identifier: GPL-3.0-or-later

package cmaf

import "time"

const (
	// maxSamples bounds the samples of one chunk: 100 ms of audio are 40
	// samples at most, of video a dozen. The source is somebody else.
	maxSamples = 1024
	// maxTracks bounds the tracks that are merged into one init segment.
	maxTracks = 16
	// maxJoin is the longest hole that Joiner closes. A picture frozen for
	// longer is worse than a jump, which the page does by itself.
	maxJoin = time.Second
)
