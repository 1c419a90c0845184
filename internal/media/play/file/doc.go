// SPDX-License-Identifier: GPL-3.0-or-later

// Package file records a live stream: fragmented MP4 or MPEG-TS by the name's
// ending, MPEG-TS to standard output. Nothing is encoded again.
package file
