// SPDX-License-Identifier: GPL-3.0-or-later

// Package hls serves a live stream as Low-Latency HLS (RFC 8216bis) to players
// that read nothing better. The stream's own CMAF chunks are its parts: they
// are gathered, never rewritten. It works only while somebody watches.
package hls
