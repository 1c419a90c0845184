// SPDX-License-Identifier: GPL-3.0-or-later

package portmap

import "time"

const (
	// lifetime is what is asked for. RFC 6887, section 15, recommends up to a day; a program that is killed leaves the
	// port open for so long.
	lifetime = time.Hour
	// minLifetime keeps a router that grants seconds from being asked all the time; maxLifetime is a day.
	minLifetime = 2 * time.Minute
	maxLifetime = 24 * time.Hour
	// retryAfter is when a router that has refused, or is not there, is asked again, doubled up to maxRetry: it may have
	// been restarted, or the host be in another network.
	retryAfter = time.Minute
	maxRetry   = 30 * time.Minute
	// removeTimeout bounds what taking the mapping back may delay the end of the program.
	removeTimeout = time.Second

	// pcpPort is the port of PCP and NAT-PMP.
	pcpPort = 5351
	// maxPCP is the longest PCP message (RFC 6887, section 7).
	maxPCP = 1100

	// ssdpWait is how long devices may take to answer a search; it is sent twice in that time, for it is multicast.
	ssdpWait = 2 * time.Second
	// maxDevices bounds the answers to a search that are looked at.
	maxDevices = 8
	// maxDescription bounds what a device may send in one answer: real ones describe themselves in 3 to 20 kB.
	maxDescription = 256 << 10
	// upnpTimeout bounds one request to a device.
	upnpTimeout = 3 * time.Second
	// portTries is how many ports are tried where others have taken them.
	portTries = 3
)

// pcpWaits are how long an answer is awaited after each transmission of a request: RFC 6886, section 3.1, begun with its
// 250 ms, and ended sooner than there, for the router is one hop away and other protocols are still to be tried.
var pcpWaits = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, time.Second}
