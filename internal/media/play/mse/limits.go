// SPDX-License-Identifier: GPL-3.0-or-later

package mse

import "time"

const (
	// writeTimeout is how long one message may take on its way into the
	// socket. A page that takes nothing for this long is gone.
	writeTimeout = 10 * time.Second
	// statusEvery is how often the page is told how the stream does. The page
	// takes five silent seconds for a lost connection.
	statusEvery = time.Second
	// maxMessage bounds what a page may send: it sends nothing but the
	// protocol's own control frames.
	maxMessage = 512
)
