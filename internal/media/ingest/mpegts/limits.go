// SPDX-License-Identifier: GPL-3.0-or-later

package mpegts

import "time"

const (
	// packetSize is that of ISO/IEC 13818-1.
	packetSize = 188
	// probePackets are looked at to tell MPEG-TS from anything else.
	probePackets = 5
	// chunk is read from the input at once: small, for a pipe's writer hands
	// over what it has.
	chunk = 32 << 10
	// chunks wait for the demuxer before the reader waits for it.
	chunks = 4
	// maxHeld bounds the samples that wait for parameter sets.
	maxHeld = 512
	// maxKeyless is how long a picture may have no key frame at the start.
	maxKeyless = 30 * time.Second
	// maxTracks bounds the tracks that are taken.
	maxTracks = 16
)
