// SPDX-License-Identifier: GPL-3.0-or-later

package rtmp

import "time"

const (
	// handshakeTimeout bounds everything from the connection to its first
	// publish command.
	handshakeTimeout = 5 * time.Second
	// writeTimeout bounds an answer.
	writeTimeout = 5 * time.Second
	// idleTimeout ends a publisher that sends nothing. OBS sends sound at
	// least every 30 ms.
	idleTimeout = 10 * time.Second
	// deadAfter is when a silent publisher gives way to a new one: the same
	// encoder that lost its connection and is back.
	deadAfter = 3 * time.Second

	// maxConns bounds connections, publishing or not; further ones are closed.
	// The library makes room for a chunk of up to 10 MiB on the word of whoever
	// connects, so this bounds memory too.
	maxConns = 16
	// handshakeBytes bounds what a connection sends before it publishes: the
	// handshake takes 3 KiB, the commands another.
	handshakeBytes = 64 << 10
	// maxPartial bounds the bytes of messages that are not complete. The
	// library bounds a message to 10 MiB, but 62 may come interleaved. A frame
	// beyond 4 MiB could not be sent on.
	maxPartial = 6 << 20

	// maxTracks bounds the tracks of a publisher.
	maxTracks = 16
	// maxHeld bounds the samples that wait for all tracks to be known, maxWait
	// the time: more if the encoder has announced what does not come.
	maxHeld     = 512
	maxWait     = 500 * time.Millisecond
	maxWaitTold = 2 * time.Second
)
