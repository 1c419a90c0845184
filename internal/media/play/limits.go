// SPDX-License-Identifier: GPL-3.0-or-later

package play

import "time"

const (
	// maxBytes bounds the fragments that a hub holds. The group of pictures
	// that new players start from has to fit: 30 s of 8 Mbit/s do.
	maxBytes = 32 << 20
	// maxItems bounds their number, for streams of tiny fragments: 30 s of
	// 16 tracks with 30 fragments a second each.
	maxItems = 16 << 10
	// keep is how long a fragment stays that no new player would start with,
	// for those that are a little behind. It exceeds maxLag, so that a slow
	// player is moved on before what it was about to read is gone.
	keep = 4 * time.Second
	// maxLag is how far a player may fall behind before it is moved on to the
	// newest key frame. Live pages are at most half a second behind; two
	// seconds ride out a pause of the network without a jump.
	maxLag = 2 * time.Second
	// maxSubscribers bounds the readers of one stream in one process. Each
	// costs a goroutine and a socket, so the descriptors end about here too.
	maxSubscribers = 4096
)
